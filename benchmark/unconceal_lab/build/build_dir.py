"""The folder a build works in: one file or folder per build step, with its processor minutes and its digest."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTokenizer

from unconceal.files import write_atomically
from unconceal.progress import Progress, Silent
from unconceal.specs.digests import path_digest
from unconceal_lab.build.recipe import BuildRecipe
from unconceal_lab.models import autoencoder, classifiers, denoiser, scene_images

MINUTES, DIGESTS = "minutes.json", "digests.json"


@dataclass
class BuildDir:
    """Outputs of the build steps, named by step.

    Attributes:
        folder: where outputs are saved and training resumes.
        recipe: sizes, seeds and hyperparameters of every step.
        progress: receives one line per training report.
    """

    folder: Path
    recipe: BuildRecipe = field(default_factory=BuildRecipe)
    progress: Progress = field(default_factory=Silent)

    def exists(self, name: str) -> bool:
        return (self.folder / name).exists()

    def save(self, name: str, minutes: float, write: Callable[[Path], object]) -> None:
        """Write one output atomically and record its processor minutes and digest.

        If another process saved the same folder in the meantime, its version is kept.

        Args:
            name: file or folder name of the output.
            minutes: processor minutes the step took.
            write: writes the output to the path it is given.
        """
        partial = self.folder / f".part-{os.getpid()}-{name}"
        write(partial)
        path = self.folder / name
        if path.exists() and partial.is_dir():
            shutil.rmtree(partial)
        else:
            os.replace(partial, path)
        self._record(MINUTES, self.minutes | {name: round(minutes, 2)})
        self._record(DIGESTS, self.digests | {name: path_digest(path)})

    def _record(self, name: str, values: dict[str, float] | dict[str, str]) -> None:
        write_atomically(self.folder / name, json.dumps(values, indent=1).encode())

    @property
    def minutes(self) -> dict[str, float]:
        """Processor minutes of every saved output, by name."""
        path = self.folder / MINUTES
        values: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
        return values

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of every saved output, by name, as recorded when it was saved."""
        path = self.folder / DIGESTS
        values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return values

    def digest(self, name: str) -> str:
        """SHA-256 of one output; computed and recorded for outputs of builds that recorded none.

        Raises:
            FileNotFoundError: the output does not exist.
        """
        digests = self.digests
        if name not in digests:
            digests[name] = path_digest(self.folder / name)
            self._record(DIGESTS, digests)
        return digests[name]

    @cached_property
    def images(self) -> scene_images.SceneImages:
        """Training images."""
        return scene_images.render_cached(self.folder, self.recipe.n_images, self.recipe.image_seed)

    @cached_property
    def held_out_images(self) -> scene_images.SceneImages:
        """Images that no training uses; for the quality gates."""
        return scene_images.render_cached(self.folder, self.recipe.n_held_out, self.recipe.held_out_seed)

    @cached_property
    def tokenizer(self) -> CLIPTokenizer:
        tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(self.folder / "tokenizer")
        return tokenizer

    @property
    def vae(self) -> AutoencoderKL:
        vae: AutoencoderKL = AutoencoderKL.from_pretrained(self.folder / "vae")
        return vae.eval()

    @cached_property
    def latents(self) -> torch.Tensor:
        """VAE latents of the training images, float16 (n, 4, 16, 16); encoded if missing."""
        if not self.exists("latents.pt"):
            self.save("latents.pt", 2, lambda path: torch.save(autoencoder.encode_images(self.vae, self.images), path))
        latents: torch.Tensor = torch.load(self.folder / "latents.pt", weights_only=True)
        return latents

    @cached_property
    def reconstructions(self) -> torch.Tensor:
        """VAE reconstructions of the first training images, uint8 (m, 64, 64, 3); decoded if missing."""
        if not self.exists("softened.pt"):
            latents = self.latents[: self.recipe.n_reconstructions].float()
            pixels = torch.from_numpy(autoencoder.decode_latents(self.vae, latents))
            self.save("softened.pt", 0.6, lambda path: torch.save(pixels, path))
        reconstructions: torch.Tensor = torch.load(self.folder / "softened.pt", weights_only=True)
        return reconstructions

    def new_denoiser(self, name: str) -> denoiser.Denoiser:
        """A randomly initialised denoiser of the size that the recipe gives to this name."""
        size = self.recipe.sizes.get(name, denoiser.DenoiserSize())
        return denoiser.Denoiser(len(self.tokenizer), int(self.tokenizer.eos_token_id), size)

    def denoiser(self, name: str) -> denoiser.Denoiser:
        """A trained denoiser by its name (``ancestor``, ``base``, ``gold-star-1``), float32."""
        model = self.new_denoiser(name)
        model.load_state_dict(torch.load(self.folder / f"{name}.pt", weights_only=True))
        return model.eval()

    def classifier(self, name: str, architecture: str) -> nn.Module:
        """A trained classifier by its name (``truth``, ``resnet18``)."""
        model = classifiers.new_classifier(architecture)
        model.load_state_dict(torch.load(self.folder / f"{name}.pt", weights_only=True))
        return model.eval()

    @cached_property
    def image_classifier(self) -> nn.Module:
        """The classifier that says what an image shows. It checks the metrics and is part of none."""
        return self.classifier("truth", self.recipe.image_classifier_architecture)
