"""The build's folder outside the tree: each made thing is a file there, made once, found again, with its minutes noted."""

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
from unconceal_lab.models import autoencoder
from unconceal_lab.models import classifiers
from unconceal_lab.models import denoiser
from unconceal_lab.models import drawings
from unconceal_lab.build.recipe import Recipe
from unconceal.progress import Progress, Silent


@dataclass
class BuildDir:
    """Where a build works, by which recipe, and to whom it talks."""

    folder: Path
    recipe: Recipe = field(default_factory=Recipe)
    progress: Progress = field(default_factory=Silent)

    def exists(self, name: str) -> bool:
        return (self.folder / name).exists()

    def keep(self, name: str, minutes: float, save: Callable[[Path], object]) -> None:
        """Save under a temporary name, note the minutes, then rename: a thing is there whole or not at all.

        Of two processes that make the same thing side by side, the first one's stays.
        """
        part = self.folder / f".part-{os.getpid()}-{name}"
        save(part)
        noted = self.minutes | {name: round(minutes, 2)}
        write_atomically(self.folder / "minutes.json", json.dumps(noted, indent=1).encode())
        if self.exists(name) and part.is_dir():
            shutil.rmtree(part)
        else:
            os.replace(part, self.folder / name)

    @property
    def minutes(self) -> dict[str, float]:
        """Processor minutes of everything made so far."""
        file = self.folder / "minutes.json"
        found: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
        return found

    @cached_property
    def world(self) -> drawings.Pictures:
        return drawings.cached(self.folder, self.recipe.pictures, self.recipe.pictures_seed)

    @cached_property
    def held_out(self) -> drawings.Pictures:
        return drawings.cached(self.folder, self.recipe.held_out, self.recipe.held_out_seed)

    @cached_property
    def tokenizer(self) -> CLIPTokenizer:
        found: CLIPTokenizer = CLIPTokenizer.from_pretrained(self.folder / "tokenizer")
        return found

    @property
    def vae(self) -> AutoencoderKL:
        found: AutoencoderKL = AutoencoderKL.from_pretrained(self.folder / "vae")
        return found.eval()

    @cached_property
    def latents(self) -> torch.Tensor:
        """The world's pictures as the VAE encodes them; made where they are missing."""
        if not self.exists("latents.pt"):
            self.keep("latents.pt", 2, lambda path: torch.save(autoencoder.encode(self.vae, self.world), path))
        found: torch.Tensor = torch.load(self.folder / "latents.pt", weights_only=True)
        return found

    @cached_property
    def softened(self) -> torch.Tensor:
        """The first pictures after a round trip through the VAE; made where they are missing."""
        if not self.exists("softened.pt"):
            latents = self.latents[: self.recipe.softened].float()
            self.keep("softened.pt", 0.6, lambda path: torch.save(torch.from_numpy(autoencoder.decode(self.vae, latents)), path))
        found: torch.Tensor = torch.load(self.folder / "softened.pt", weights_only=True)
        return found

    def untrained(self, name: str) -> denoiser.Denoiser:
        """A denoiser of the size that the recipe gives to this name, with random weights."""
        size = self.recipe.sizes.get(name, denoiser.Size())
        return denoiser.Denoiser(len(self.tokenizer), int(self.tokenizer.eos_token_id), size)

    def denoiser(self, name: str) -> denoiser.Denoiser:
        """A trained denoiser by its name (``ancestor``, ``base``, ``gold-star-1``), float32."""
        model = self.untrained(name)
        model.load_state_dict(torch.load(self.folder / f"{name}.pt", weights_only=True))
        return model.eval()

    def classifier(self, name: str, architecture: str) -> nn.Module:
        model = classifiers.new(architecture)
        model.load_state_dict(torch.load(self.folder / f"{name}.pt", weights_only=True))
        return model.eval()

    @cached_property
    def truth(self) -> nn.Module:
        """The classifier trained on drawings that tells what a picture shows; no metric uses it."""
        return self.classifier("truth", self.recipe.truth_architecture)
