"""Interface of the handover sampler to a model of any family: prompts to embeddings, latents to predictions, latents to images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unconceal.checkpoints.release import SpmNetwork
from unconceal.diffusion.offload import Offloader
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.errors import CheckFailed
from unconceal.specs.inference_rule import NEEDS, InferenceRule, RuleName

MAX_CACHED_PROMPT_GROUPS = 4
"""Groups of prompts whose embeddings are cached."""
LATENT_TOLERANCE = 0.05
"""Mean difference per pixel, on a scale of 0 to 1, up to which two VAE decoders share a latent space."""


class SolverStep(NamedTuple):
    """One step of the solver: the next latents, and x̂0, the clean latents that the prediction implies."""

    latents: torch.Tensor
    clean_latents: torch.Tensor


@dataclass(frozen=True)
class Model(ABC):
    """θ or θ*: one pipeline, a deterministic solver of ``steps`` steps, and its guidance.

    Families (:mod:`unconceal.diffusion.families`) implement how their denoiser is called.
    """

    pipeline: Any
    steps: int
    guidance: float
    spm: SpmNetwork | None = None
    """A network that acts beside the denoiser, scaled per prompt."""
    size: int | None = None
    """Height and width of the images in pixels; None: the pipeline's default."""
    offloader: Offloader | None = None
    """Moves components to the accelerator while they are in use; None: all of them stay on one device."""
    solver: str = ""
    """Name of the solver, where the family has several; "": its own deterministic single-step solver."""
    rule: InferenceRule | None = None
    """What θ* does at inference instead of having other weights (:mod:`unconceal.diffusion.inference_rules`)."""
    _embeddings_cache: dict[tuple[str, ...], PromptEmbeddings] = field(default_factory=dict, init=False, repr=False, compare=False)

    denoiser_name: ClassVar[str] = "unet"
    """Name of the pipeline's denoiser."""
    supports_spm: ClassVar[bool] = False
    supported_rules: ClassVar[frozenset[RuleName]] = frozenset()
    """Inference rules that mean something for this family."""

    def __post_init__(self) -> None:
        if self.spm is not None and not self.supports_spm:
            value, remedy = f"an SPM network on a {type(self.pipeline).__name__}", "submit it to a suite of Stable Diffusion 1.x or 2.x"
            raise CheckFailed("spm.wrong-family", value, "cannot be applied: it compares prompts through one text encoder", remedy)
        if self.rule is not None and self.rule.rule not in self.supported_rules:
            value, consequence = f"rule {self.rule.rule!r} on a {type(self.pipeline).__name__}", NEEDS[self.rule.rule]
            known = ", ".join(sorted(self.supported_rules)) or "none"
            raise CheckFailed("inference.wrong-family", value, f"cannot act: it needs {consequence}", f"choose another rule ({known})")

    @property
    def denoiser(self) -> Any:
        return getattr(self.pipeline, self.denoiser_name)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer whose tokens are the rows of the prompt embeddings."""
        return self.pipeline.tokenizer

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
        """Channels of the latents."""

    @abstractmethod
    def scheduler(self) -> Any:
        """A fresh solver over this pipeline's noise schedule, its timesteps set."""

    @property
    def is_multistep(self) -> bool:
        """Whether the solver has a history: every branch then needs a solver of its own, started at the handover."""
        return False

    def scale_model_input(self, solver: Any, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The solver's latents scaled for the denoiser."""
        return latents

    def noise_levels(self) -> tuple[float, ...]:
        """Noise levels of the solver's steps, descending: timesteps, or σ for flow matching."""
        return tuple(float(t) for t in self.scheduler().timesteps)

    def to_device(self, *names: str) -> None:
        """Move components of the pipeline, by name, to the device where they run."""
        if self.offloader is not None:
            self.offloader.to_device(part for name in names if isinstance(part := getattr(self.pipeline, name, None), torch.nn.Module))

    @abstractmethod
    def embed_prompts(self, prompts: Sequence[str]) -> PromptEmbeddings:
        """Embeddings of n prompts by this model's own text encoders; gradients flow through it."""

    @torch.inference_mode()
    def encode_prompts(self, prompts: Sequence[str]) -> PromptEmbeddings:
        """Embeddings of n prompts, cached: blocks of images with the same prompts differ in their seeds only."""
        key = tuple(prompts)
        if key not in self._embeddings_cache:
            if len(self._embeddings_cache) >= MAX_CACHED_PROMPT_GROUPS:
                self._embeddings_cache.pop(next(iter(self._embeddings_cache)))
            self._embeddings_cache[key] = self.embed_prompts(prompts)
        return self._embeddings_cache[key]

    def without_cache(self) -> Model:
        """The same model without cached embeddings: its text encoders may have changed since."""
        return replace(self)

    @abstractmethod
    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial latents (n, …) of n seeds. Each seed has its own CPU generator, so that they do not depend on the batch."""

    @abstractmethod
    def call(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning) -> torch.Tensor:
        """The denoiser's prediction (ε, v or a velocity), (n, …), of latents (n, …) with n rows of conditioning.

        ``timestep``: one, or (n,). Gradients flow through it.
        """

    @abstractmethod
    def random_timesteps(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Timesteps (n,) to train at."""

    @abstractmethod
    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Clean latents (n, …) with noise at the levels of timesteps (n,)."""

    @abstractmethod
    def training_target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """What :meth:`call` is trained to predict, (n, …)."""

    @abstractmethod
    def loss_weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Weights (n,) of the squared errors at timesteps (n,)."""

    @abstractmethod
    def step(self, solver: Any, predicted: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> SolverStep:
        """One step of the solver from the denoiser's prediction."""

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, condition: Conditioning, batch_size: int) -> torch.Tensor:
        """Like :meth:`call`, with at most ``batch_size`` rows at once."""
        self.to_device(self.denoiser_name)
        rows = zip(torch.split(latents, batch_size), condition.split(batch_size), strict=True)
        return torch.cat([self.call(x, timestep, part) for x, part in rows])

    def unpack_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents in the VAE's shape (n, c, h, w), still scaled."""
        return latents

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor, batch_size: int = 32) -> NDArray[np.uint8]:
        """Decode clean latents (n, …) to images (n, height, width, 3), uint8."""
        self.to_device("vae")
        vae = self.pipeline.vae
        parts = torch.split(self.unpack_latents(latents), batch_size)
        blocks = (vae.decode(self.unscale_latents(part), return_dict=False)[0] for part in parts)
        return images_to_numpy(
            block.float().div(2).add(0.5).clamp(0, 1).mul(255).round().permute(0, 2, 3, 1).to(torch.uint8) for block in blocks
        )

    def unscale_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (n, c, h, w) as the VAE's decoder expects them."""
        unscaled: torch.Tensor = latents / self.pipeline.vae.config.scaling_factor
        return unscaled

    @staticmethod
    def seeded_noise(shape: Sequence[int], seeds: Sequence[int]) -> torch.Tensor:
        """Standard normal noise (n, *shape) of n seeds, float32, on the CPU."""
        return torch.stack([torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def images_to_numpy(blocks: Iterable[torch.Tensor]) -> NDArray[np.uint8]:
    """Concatenate blocks of images in main memory. Copies from a GPU overlap with the decoding of the next block."""
    host_blocks = []
    for block in blocks:
        if block.is_cuda:
            host_block = torch.empty(block.shape, dtype=block.dtype, pin_memory=True)
            block = host_block.copy_(block, non_blocking=True)
        host_blocks.append(block)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return torch.cat(host_blocks).numpy()


def check_latent_space(original: Model, unlearned: Model, latents: torch.Tensor) -> None:
    """Check that θ*'s VAE decoder decodes θ's latents as θ's own does.

    Args:
        original: θ.
        unlearned: θ*.
        latents: (n, …) clean latents of θ.

    Raises:
        CheckFailed: the mean difference per pixel is above :data:`LATENT_TOLERANCE`.
    """
    if original.channels != unlearned.channels:
        difference = 1.0
    else:
        pair = [model.decode(latents).astype(np.float32) / 255 for model in (original, unlearned)]
        difference = float(np.abs(pair[0] - pair[1]).mean()) if pair[0].shape == pair[1].shape else 1.0
    if difference > LATENT_TOLERANCE:
        raise CheckFailed(
            "checkpoint.other-latent-space",
            f"the checkpoint's VAE decodes the original model's latents with a difference of {difference:.3f} per pixel",
            "half-denoised latents of the original mean nothing in another latent space",
            "evaluate it against the base model that it was made from",
        )
