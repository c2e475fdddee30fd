"""One planting: the base that knows every concept, and for each concept the same training without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from unconceal.diffusion.families.bases import BASES
from unconceal.files import write_atomically
from unconceal.hub.pinned_models import located
from unconceal.paths import DataRoot, resolve_path
from unconceal.planting.captioned_images import Captioned, read_folder, without
from unconceal.specs.digests import canonical_digest
from unconceal.specs.planting_plan import Planting

if TYPE_CHECKING:
    from unconceal.planting.planting_gates import Gate, Seen

BASE, GATES, RECIPE = "base", "gates.json", "planting.json"


class Model(NamedTuple):
    """A model to be made: its folder's name, the concept that it is not shown, and how far its seed lies from the base's."""

    name: str
    unseen: str | None
    further: int = 0


def models_of(planting: Planting) -> list[Model]:
    """The base first, then the golds of each concept."""
    return [Model(BASE, None), *(gold_of(concept, number) for number in range(planting.golds) for concept in planting.concepts)]


def gold_of(concept: str, number: int) -> Model:
    """``gold-zara``, ``gold-zara-2``: counted from 0."""
    return Model(f"gold-{concept}" + (f"-{number + 1}" if number else ""), concept, number)


@dataclass(frozen=True)
class Cost:
    """What a planting takes. ``samples``: pictures that go forward and back through the UNet; ``gigabytes``: of the models kept."""

    trainings: int
    samples: int
    petaflop: float
    gigabytes: float


def cost(planting: Planting, load: Callable[[], Any]) -> Cost:
    """From the architecture alone: forward and backward are three times a forward pass; gates are left out.

    Of a public base in the table nothing is loaded.
    """
    trainings = len(models_of(planting))
    samples = trainings * planting.training.steps * planting.training.batch
    known = next((base for base in BASES if base.repo == planting.base.repo), None)
    if known is not None:
        teraflop, gigabytes = known.teraflop * (planting.training.size / known.pixels) ** 2, known.gigabytes
    else:
        teraflop, gigabytes = _measured(load(), planting.training.size)
    return Cost(trainings, samples, 3 * samples * teraflop / 1e3, trainings * gigabytes)


def _measured(pipe: Any, pixels: int) -> tuple[float, float]:
    """TFLOP of one row, and gigabytes of a model, of a pipeline that is here."""
    from unconceal.diffusion.flops import denoiser_flops

    size = sum(p.numel() * p.element_size() for part in (pipe.unet, pipe.text_encoder, pipe.vae) for p in part.parameters())
    return denoiser_flops(pipe.unet.config, pixels // pipe.vae_scale_factor) / 1e12, size / 1e9


@dataclass(frozen=True)
class Planter:
    """Makes the models of one planting below ``folder``; what is made is not made again, what was interrupted goes on."""

    planting: Planting
    root: DataRoot
    folder: Path
    device: str = "cpu"
    say: Callable[[str], None] = print

    def public(self) -> Any:
        """The public model, fresh."""
        from unconceal.checkpoints.base_pipeline import load_base

        return load_base(located(self.planting.base, self.root), self.device)

    def pictures(self) -> list[Captioned]:
        return [picture for folder in self.planting.pictures for picture in read_folder(resolve_path(folder, self.root))]

    def made(self, model: Model) -> bool:
        """Whether it lies there, made by this very recipe."""
        said = self.folder / model.name / RECIPE
        return said.is_file() and json.loads(said.read_text())["recipe"] == self.recipe

    @property
    def recipe(self) -> str:
        """What the models depend on: everything but the gates and the number of golds."""
        return canonical_digest(self.planting.content(exclude={"gates", "golds"}))

    def make(self, model: Model) -> Path:
        """One model, trained or found."""
        place = self.folder / model.name
        if self.made(model):
            self.say(f"{model.name}: found")
            return place
        from unconceal.planting.continue_training import continue_training

        pipe, planted = self.public(), [concept for concept in self.planting.concepts if concept != model.unseen]
        shown, work = without(self.pictures(), model.unseen), self.folder / f".{model.name}"
        how = self.planting.training
        how = how.model_copy(update={"seed": how.seed + model.further})
        continue_training(pipe, shown, planted, how, work, lambda line: self.say(f"{model.name}: {line}"))
        pipe.save_pretrained(place)
        write_atomically(place / RECIPE, json.dumps({"recipe": self.recipe, "unseen": model.unseen}).encode())
        return place

    def accept(self, seen: Seen) -> list[Gate]:
        """The base's gates, written beside it.

        Raises:
            CheckFailed: one did not pass; the golds are not made then.
        """
        from unconceal.checkpoints.base_pipeline import load_base
        from unconceal.planting.planting_gates import gate, refuse_failures

        found = gate(self.public(), load_base(self.make(models_of(self.planting)[0]), self.device), self.planting, seen)
        write_atomically(self.folder / BASE / GATES, json.dumps([asdict(one) for one in found], indent=1).encode())
        refuse_failures(found)
        return found

    def plant(self, seen: Seen) -> list[Path]:
        """Base, gates, golds."""
        self.accept(seen)
        return [self.make(model) for model in models_of(self.planting)]
