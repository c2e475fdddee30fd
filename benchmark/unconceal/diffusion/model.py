"""What the handover sampler asks of a model of any family: words to conditions, latents to predictions, latents to pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unconceal.checkpoints.release import SpmNetwork
from unconceal.diffusion.offload import Offloader
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.errors import CheckFailed

REMEMBERED = 4
"""Groups of prompts whose embeddings are kept."""
LATENT_TOLERANCE = 0.05
"""Mean difference per pixel, on a scale of 0 to 1, up to which two VAE decoders count as one latent space."""


class SolverStep(NamedTuple):
    """One step of the solver: the next latents, and the clean latents x̂0 that the prediction amounts to."""

    latents: torch.Tensor
    clean_latents: torch.Tensor


@dataclass(frozen=True)
class Model(ABC):
    """θ or θ*: one pipeline, a deterministic solver of ``steps`` steps, and its guidance.

    Families (:mod:`unconceal.diffusion.families`) say how their denoiser is called; everything else is here once.
    """

    pipeline: Any
    steps: int
    guidance: float
    spm: SpmNetwork | None = None
    """A network that acts beside the denoiser, as strongly as the prompt asks for."""
    size: int | None = None
    """Pixels on a side; None: as the pipeline was made for."""
    offloader: Offloader | None = None
    """Where parts are brought only while they work; None: all of them lie on one device."""
    solver: str = ""
    """What steps through the noise, where the family has several; "": its own deterministic single-step solver."""
    _heard: dict[tuple[str, ...], PromptEmbeddings] = field(default_factory=dict, init=False, repr=False, compare=False)

    denoiser_name: ClassVar[str] = "unet"
    """The pipeline's component that denoises."""
    supports_spm: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.spm is not None and not self.supports_spm:
            value, remedy = f"an SPM network on a {type(self.pipeline).__name__}", "submit it to a suite of Stable Diffusion 1.x or 2.x"
            raise CheckFailed("spm.wrong-family", value, "cannot be weighed: it looks at prompts through one text encoder", remedy)

    @property
    def denoiser(self) -> Any:
        return getattr(self.pipeline, self.denoiser_name)

    @property
    def device(self) -> torch.device:
        return self.offloader.device if self.offloader else torch.device(self.denoiser.device)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.denoiser.dtype
        return dtype

    @property
    @abstractmethod
    def channels(self) -> int:
        """Of the latents."""

    @abstractmethod
    def scheduler(self) -> Any:
        """A fresh solver over this pipeline's noise schedule, its timesteps set."""

    @property
    def is_multistep(self) -> bool:
        """Whether the solver's next step depends on its last: every continuation then needs one of its own, begun at the handover."""
        return False

    def scale_model_input(self, solver: Any, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The solver's latents as the denoiser sees them."""
        return latents

    def noise_levels(self) -> tuple[float, ...]:
        """Where the solver's steps stand on the noise schedule, descending: its timesteps."""
        return tuple(float(t) for t in self.scheduler().timesteps)

    def to_device(self, *names: str) -> None:
        """Bring components of the pipeline, by their names, to where they work."""
        if self.offloader is not None:
            self.offloader.to_device(part for name in names if isinstance(part := getattr(self.pipeline, name, None), torch.nn.Module))

    @abstractmethod
    def _encode_prompts(self, prompts: Sequence[str]) -> PromptEmbeddings:
        """What n prompts tell this model, by its own text encoders."""

    def encode_prompts(self, prompts: Sequence[str]) -> PromptEmbeddings:
        """:meth:`embed`, once for prompts that come again: blocks of the same prompts differ in their seeds alone."""
        key = tuple(prompts)
        if key not in self._heard:
            if len(self._heard) >= REMEMBERED:
                self._heard.pop(next(iter(self._heard)))
            self._heard[key] = self._encode_prompts(prompts)
        return self._heard[key]

    @abstractmethod
    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial latents (n, …), one processor generator per seed, so that they do not depend on the batch."""

    @abstractmethod
    def call(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        """The denoiser's prediction (ε, v or a velocity) for rows of (latents, condition) at one timestep."""

    @abstractmethod
    def step(self, solver: Any, predicted: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> SolverStep:
        """One step of the solver from what the denoiser predicts."""

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning, batch: int) -> torch.Tensor:
        """:meth:`call` for any number of rows, at most ``batch`` of them at once."""
        self.to_device(self.denoiser_name)
        rows = zip(torch.split(latents, batch), condition.split(batch), strict=True)
        return torch.cat([self.call(x, timestep, told) for x, told in rows])

    def unpack_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the VAE sees them, (n, c, h, w), scaled."""
        return latents

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor, batch: int = 32) -> NDArray[np.uint8]:
        """Pictures uint8 (n, height, width, 3) of clean latents."""
        self.to_device("vae")
        vae = self.pipeline.vae
        blocks = (vae.decode(self.unscale_latents(part), return_dict=False)[0] for part in torch.split(self.unpack_latents(latents), batch))
        return images_to_numpy(block.float().div(2).add(0.5).clamp(0, 1).mul(255).round().permute(0, 2, 3, 1).to(torch.uint8) for block in blocks)

    def unscale_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the VAE's decoder takes them."""
        unscaled: torch.Tensor = latents / self.pipeline.vae.config.scaling_factor
        return unscaled

    def seeded_noise(self, shape: Sequence[int], seeds: Sequence[int]) -> torch.Tensor:
        """Standard normal (n, *shape), float32 on the processor."""
        return torch.stack([torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def images_to_numpy(blocks: Iterable[torch.Tensor]) -> NDArray[np.uint8]:
    """Blocks of pictures on this machine, one after the other; from a card each is on its way while the next is decoded."""
    arrived = []
    for block in blocks:
        if block.is_cuda:
            place = torch.empty(block.shape, dtype=block.dtype, pin_memory=True)
            block = place.copy_(block, non_blocking=True)
        arrived.append(block)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return torch.cat(arrived).numpy()


def check_latent_space(original: Model, unlearned: Model, latents: torch.Tensor) -> None:
    """Refuse a θ* whose VAE decoder does not draw θ's latents as θ's own decoder does."""
    if original.channels != unlearned.channels:
        apart = 1.0
    else:
        pair = [model.decode(latents).astype(np.float32) / 255 for model in (original, unlearned)]
        apart = float(np.abs(pair[0] - pair[1]).mean()) if pair[0].shape == pair[1].shape else 1.0
    if apart > LATENT_TOLERANCE:
        raise CheckFailed(
            "checkpoint.other-latent-space",
            f"the checkpoint's VAE decodes the original model's latents {apart:.3f} per pixel apart",
            "half-denoised pictures of the original mean nothing in another latent space",
            "evaluate it against the base model that it was made from",
        )
