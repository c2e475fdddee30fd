"""One planting: a base trained on all invented concepts, and golds trained the same way without one of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from unconceal.diffusion.families.bases import BASE_MODELS
from unconceal.files import write_atomically
from unconceal.hub.pinned_models import local_path
from unconceal.paths import DataRoot, resolve_path
from unconceal.planting.captioned_images import CaptionedImage, excluding, read_folder
from unconceal.specs.digests import canonical_digest
from unconceal.specs.planting_plan import Planting

if TYPE_CHECKING:
    from unconceal.planting.planting_gates import ConceptDetector, GateResult

BASE, GATES, RECIPE = "base", "gates.json", "planting.json"


class PlantedModel(NamedTuple):
    """A model to train.

    Attributes:
        name: name of its folder.
        excluded_concept: concept that it is not trained on.
        seed_offset: added to the training's seed.
    """

    name: str
    excluded_concept: str | None
    seed_offset: int = 0


def models_of(planting: Planting) -> list[PlantedModel]:
    """The base, then the golds of each concept."""
    return [PlantedModel(BASE, None), *(gold_of(concept, number) for number in range(planting.n_golds) for concept in planting.concepts)]


def gold_of(concept: str, number: int) -> PlantedModel:
    """``gold-zara``, ``gold-zara-2``; ``number`` counts from 0."""
    return PlantedModel(f"gold-{concept}" + (f"-{number + 1}" if number else ""), concept, number)


@dataclass(frozen=True)
class PlantingCost:
    """Cost of a planting.

    Attributes:
        trainings: number of models.
        samples: images in all training steps.
        petaflop: compute of all training steps.
        gigabytes: size of the saved models.
    """

    trainings: int
    samples: int
    petaflop: float
    gigabytes: float


def planting_cost(planting: Planting, load: Callable[[], Any]) -> PlantingCost:
    """Compute cost from the architecture: forward and backward pass take three times a forward pass; gates are not counted.

    A known public base is not loaded.
    """
    trainings = len(models_of(planting))
    samples = trainings * planting.training.max_train_steps * planting.training.batch_size
    public_base = next((base for base in BASE_MODELS if base.repo == planting.base.repo), None)
    if public_base is not None:
        teraflop, gigabytes = public_base.teraflop * (planting.training.image_size / public_base.pixels) ** 2, public_base.gigabytes
    else:
        teraflop, gigabytes = _measured(load(), planting.training.image_size)
    return PlantingCost(trainings, samples, 3 * samples * teraflop / 1e3, trainings * gigabytes)


def _measured(pipeline: Any, pixels: int) -> tuple[float, float]:
    """TFLOP of one forward pass, and gigabytes of a model, for a loaded pipeline."""
    from unconceal.diffusion.flops import denoiser_flops

    size = sum(p.numel() * p.element_size() for part in (pipeline.unet, pipeline.text_encoder, pipeline.vae) for p in part.parameters())
    return denoiser_flops(pipeline.unet.config, pixels // pipeline.vae_scale_factor) / 1e12, size / 1e9


@dataclass(frozen=True)
class Planter:
    """Trains the models of one planting. Finished models are kept; interrupted trainings resume.

    Attributes:
        planting: the specification.
        root: data root of images and models.
        folder: where models are saved.
        device: where they are trained.
        log: receives one line per report.
    """

    planting: Planting
    root: DataRoot
    folder: Path
    device: str = "cpu"
    log: Callable[[str], None] = print

    def load_public_model(self) -> Any:
        """A fresh copy of the public model."""
        from unconceal.checkpoints.base_pipeline import load_base

        return load_base(local_path(self.planting.base, self.root), self.device)

    def images(self) -> list[CaptionedImage]:
        return [image for folder in self.planting.image_folders for image in read_folder(resolve_path(folder, self.root))]

    def is_trained(self, model: PlantedModel) -> bool:
        """Whether the model exists and was trained with this recipe."""
        recipe_path = self.folder / model.name / RECIPE
        return recipe_path.is_file() and json.loads(recipe_path.read_text())["recipe"] == self.recipe

    @property
    def recipe(self) -> str:
        """Digest of everything that the models depend on: all but gates and number of golds."""
        return canonical_digest(self.planting.content(exclude={"gates", "n_golds"}))

    def train(self, model: PlantedModel) -> Path:
        """Train one model if needed and return its folder."""
        path = self.folder / model.name
        if self.is_trained(model):
            self.log(f"{model.name}: found")
            return path
        from unconceal.planting.continue_training import continue_training

        pipeline, concepts = self.load_public_model(), [concept for concept in self.planting.concepts if concept != model.excluded_concept]
        images, work_dir = excluding(self.images(), model.excluded_concept), self.folder / f".{model.name}"
        config = self.planting.training
        config = config.model_copy(update={"seed": config.seed + model.seed_offset})
        continue_training(pipeline, images, concepts, config, work_dir, lambda line: self.log(f"{model.name}: {line}"))
        pipeline.save_pretrained(path)
        write_atomically(path / RECIPE, json.dumps({"recipe": self.recipe, "unseen": model.excluded_concept}).encode())
        return path

    def check_gates(self, detector: ConceptDetector) -> list[GateResult]:
        """Measure the base's gates and save them next to it.

        Raises:
            CheckFailed: a gate failed; golds are not trained.
        """
        from unconceal.checkpoints.base_pipeline import load_base
        from unconceal.planting.planting_gates import measure_gates, refuse_failures

        gates = measure_gates(
            self.load_public_model(), load_base(self.train(models_of(self.planting)[0]), self.device), self.planting, detector
        )
        write_atomically(self.folder / BASE / GATES, json.dumps([asdict(gate) for gate in gates], indent=1).encode())
        refuse_failures(gates)
        return gates

    def run(self, detector: ConceptDetector) -> list[Path]:
        """Train the base, check its gates, train the golds."""
        self.check_gates(detector)
        return [self.train(model) for model in models_of(self.planting)]
