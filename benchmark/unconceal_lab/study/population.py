"""Every model of the study: its kind, its truth where known by construction, and how its weights are built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor

from unconceal.checkpoints.base_pipeline import load_base
from unconceal.specs.record import Label
from unconceal.specs.task import Category
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import (
    ALONE,
    BLANKS,
    FAMILIES,
    GOLDS,
    GRADED,
    HELD_OUT_TASKS,
    TASKS,
    alone_name,
    blank_name,
    family_of,
    family_stem,
    file_stem,
    gold_name,
)
from unconceal_lab.build.submissions import DESTROYED, release, release_name, submission_name, to_half_precision
from unconceal_lab.models import denoiser
from unconceal_lab.reports.scratch_gold_check import SCRATCH
from unconceal_lab.study.settings import REBUILT, SETTINGS, USUAL
from unconceal_lab.unlearners import UNLEARNERS
from unconceal_lab.unlearners.decouple import decouple_to_nothing

Kind = Literal["original", "unrelated", "gold", "alone", "decoupled", "damaged", "graded", "method", "surrogate"]
TRUTH: Mapping[Kind, Label] = {
    "original": "intact",
    "unrelated": "intact",
    "gold": "forgets",
    "alone": "forgets",
    "decoupled": "conceals",
    "damaged": "damaged",
}
"""The correct verdict of kinds whose truth is known by construction."""

TO_NOTHING, TO_OTHER = "decouple-to-nothing", "decouple-to-other"
METHODS = tuple(name for name in UNLEARNERS if name not in (TO_NOTHING, TO_OTHER, *DESTROYED))
SEEDS, MORE_SEEDS, DECOUPLED_SEEDS = (7,), (7, 8, 9), (7, 8)
"""Training seeds of a method on most tasks, on those of ``MORE``, and of pure decoupling on all; the first is that of the releases."""
MORE = ("star", "zara")
SURROGATES = ("ancestor", "surrogate")
"""Neither saw any of the nine concepts. The ancestor has half of θ's training; the surrogate has another size and another world. The
blanks, whose training is as long as θ's, are two more surrogates."""
ORDER: tuple[Kind, ...] = ("gold", "original", "alone", "decoupled", "damaged", "surrogate", "unrelated", "graded", "method")
"""Order in which kinds are measured: known truths first."""
DECOUPLED_SUFFIX = "decoupled"
"""End of the names of graded models that were decoupled afterwards."""

Weights = dict[str, Tensor]
WeightsBuilder = Callable[[BuildDir], Weights]


@dataclass(frozen=True)
class Member:
    """One model on one task.

    Attributes:
        concept: The task's concept.
        name, kind: Name and kind of the model.
        build_weights: Builds its weights, keys prefixed by component; None: the base itself, or ``training`` in its place.
        share: Share of the concept's images that it saw, where that is known: 0 for golds, 1 for the base.
        training: Output of the build that it is made of.
        shared_stem: Stem of its weights file where several members share it.
        seed: Training seed where there are several.
    """

    concept: str
    name: str
    kind: Kind
    build_weights: WeightsBuilder | None = None
    share: float | None = None
    training: str | None = None
    shared_stem: str = ""
    seed: int = 0

    @property
    def category(self) -> Category:
        return {**TASKS, **HELD_OUT_TASKS}[self.concept]  # type: ignore[return-value]

    @property
    def task(self) -> str:
        """The task's id, e.g. ``nsfw/hazard-sign``."""
        return f"{self.category}/{file_stem(self.concept)}"

    @property
    def truth(self) -> Label | None:
        """The correct verdict; None: not known by construction."""
        return TRUTH.get(self.kind)

    @property
    def held_out(self) -> bool:
        return self.concept in HELD_OUT_TASKS

    @property
    def submission_name(self) -> str:
        """Name of the published submission with the same weights, if it was trained with the releases' seed."""
        return self.name.removesuffix(f"-{SEEDS[0]}")

    @property
    def full_model(self) -> str | None:
        """The training that replaces the base, whatever its size, for a member that is no checkpoint of the base."""
        return None if self.build_weights else self.training

    def weights_path(self, folder: Path) -> Path:
        """Path of its weights below a data root."""
        stem = self.shared_stem or weights_stem(self.name, self.concept)
        return folder / "submissions" / "miniature" / "weights" / f"{stem}.safetensors"


def weights_stem(name: str, concept: str) -> str:
    """``esd-x-1/hazard-sign``."""
    return f"{name}/{file_stem(concept)}"


def members() -> list[Member]:
    """Every model on every task in the order of ``ORDER``; further training seeds come last within their kind."""
    population = [member for concept in (*TASKS, *HELD_OUT_TASKS) for member in task_members(concept)]
    return sorted(population, key=lambda member: (ORDER.index(member.kind), member.seed))


def members_under(setting: str) -> list[Member]:
    """Members measured under a setting: golds, θ and pure decoupling on the tasks of ``MORE``, and methods if scores are measured.

    Rebuilt models are those whose weights are not stored with the source: golds and pure decoupling of all but the first family's tasks.
    """
    if setting == USUAL:
        return members()
    first_seed = [member for member in members() if member.seed in (0, SEEDS[0])]
    if setting == REBUILT:
        return [member for member in first_seed if member.concept not in FAMILIES[0] and member.kind in ("gold", "decoupled")]
    kinds = ("gold", "original", "decoupled", *(("method",) if SETTINGS[setting].stage == "scores" else ()))
    return [member for member in first_seed if member.concept in MORE and member.kind in kinds]


def task_members(concept: str) -> Iterator[Member]:
    """The models of one task."""
    yield Member(concept, "control-original", "original", share=1.0)
    other = unrelated_to(concept)
    stem = weights_stem(f"esd-x-{SEEDS[0]}", other)
    yield Member(concept, "control-unrelated", "unrelated", unlearner_weights("esd-x", other, SEEDS[0]), shared_stem=stem)
    for number in GOLDS:
        name, training = f"control-gold-{number}", gold_name(family_of(concept), number)
        stem = f"{name}/{family_stem(family_of(concept))}"
        yield Member(concept, name, "gold", training_weights(training), 0.0, training, stem)
    if concept in ALONE:
        yield Member(concept, "gold-alone", "alone", training_weights(alone_name(concept)), 0.0, alone_name(concept))
    for name in decouplings(concept):
        for seed in DECOUPLED_SEEDS:
            yield Member(concept, f"{name}-{seed}", "decoupled", unlearner_weights(name, concept, seed), share=1.0, seed=seed)
    for name in sorted(DESTROYED):
        yield Member(concept, submission_name(name), "damaged", unlearner_weights(name, concept, SEEDS[0]))
    for name in METHODS:
        for seed in MORE_SEEDS if concept in MORE else SEEDS:
            yield Member(concept, f"{name}-{seed}", "method", unlearner_weights(name, concept, seed), seed=seed)
    yield from graded_members(concept)
    for number in BLANKS:
        name = blank_name(number)
        yield Member(concept, name, "surrogate", training_weights(name), 0.0, name, name)
    for name in (*SURROGATES, SCRATCH) if concept == "star" else SURROGATES:
        yield Member(concept, name, "surrogate", share=0.0, training=name)


def graded_members(concept: str) -> Iterator[Member]:
    """Continuations that saw a known share of the concept's images, each also decoupled; none for most concepts."""
    if not any(concept in shares for shares in GRADED):
        return
    gold = gold_name(family_of(concept), 1)
    yield Member(concept, f"graded-0-{DECOUPLED_SUFFIX}", "graded", decoupled_weights(gold, concept), 0.0, gold)
    for number, shares in enumerate(GRADED, 1):
        training, name, share = f"graded-{number}", f"graded-{1000 * shares[concept]:g}", shares[concept]
        yield Member(concept, name, "graded", training_weights(training), share, training)
        yield Member(concept, f"{name}-{DECOUPLED_SUFFIX}", "graded", decoupled_weights(training, concept), share, training)


def decouplings(concept: str) -> tuple[str, ...]:
    """Decoupling unlearners that hide a concept for certain.

    Without its name, a character or the sign is "a character" or "a symbol", and the only symbol of the world is the sign. Such prompts
    show the concept itself always or half of the time, so decoupling to nothing hides only objects and styles.
    """
    category = {**TASKS, **HELD_OUT_TASKS}[concept]
    return (TO_NOTHING, TO_OTHER) if category in ("object", "art-style") else (TO_OTHER,)


def unrelated_to(concept: str) -> str:
    """A concept of another category."""
    category = {**TASKS, **HELD_OUT_TASKS}[concept]
    return next(other for other, other_category in TASKS.items() if other_category != category)


def unlearner_weights(name: str, concept: str, seed: int) -> WeightsBuilder:
    """The output of an unlearner applied to the base; with the releases' seed, the release itself."""

    def build(build_dir: BuildDir) -> Weights:
        if seed != build_dir.recipe.unlearner_seed:
            return UNLEARNERS[name](load_base(build_dir.folder / "shipped"), concept, seed, build_dir.progress.log).weights
        path = release_name(submission_name(name), concept)
        if not build_dir.exists(path):
            release(build_dir, name, concept)
        return load_file(build_dir.folder / path)

    return build


def training_weights(name: str) -> WeightsBuilder:
    """UNet and text encoder of a model that was trained on other images than the base."""
    return lambda build_dir: to_half_precision(build_dir.denoiser(name))


def decoupled_weights(name: str, concept: str) -> WeightsBuilder:
    """Weights of a training, decoupled from the concept's words afterwards."""

    def build(build_dir: BuildDir) -> Weights:
        pipeline: StableDiffusionPipeline = denoiser.to_pipeline(build_dir.denoiser(name), build_dir.vae, build_dir.tokenizer)
        return training_weights(name)(build_dir) | decouple_to_nothing(pipeline, concept, 1, build_dir.progress.log).weights

    return build


def write_weights(build_dir: BuildDir, member: Member, folder: Path) -> None:
    """Build a member's weights and write them below ``folder`` unless they exist."""
    path = member.weights_path(folder)
    if member.build_weights is None or path.exists():
        return
    weights = member.build_weights(build_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(weights, part)
    part.replace(path)
