"""Every model of the study: what it is, what is known of it by construction, and how it is made."""

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
from unconceal_lab.build.submissions import DAMAGED, halved, release, release_name, submission_name
from unconceal_lab.models import denoiser
from unconceal_lab.reports.scratch_gold_check import SCRATCH
from unconceal_lab.study.settings import BUILT_AGAIN, SETTINGS, USUAL
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
"""The verdict that has to come out, where it is known by construction."""

TO_NOTHING, TO_OTHER = "decouple-to-nothing", "decouple-to-other"
METHODS = tuple(name for name in UNLEARNERS if name not in (TO_NOTHING, TO_OTHER, *DAMAGED))
SEEDS, MORE_SEEDS, DECOUPLED_SEEDS = (7,), (7, 8, 9), (7, 8)
"""Training seeds of a method on most tasks, on the two of ``MORE``, and of pure decoupling on all; the first is that of the releases."""
MORE = ("star", "zara")
SURROGATES = ("ancestor", "surrogate")
"""Neither saw any of the nine concepts: the ancestor in half of θ's training; the surrogate is of another size and another world. The
blanks, whose training is as long as θ's, make two more."""
ORDER: tuple[Kind, ...] = ("gold", "original", "alone", "decoupled", "damaged", "surrogate", "unrelated", "graded", "method")
"""In which kinds are measured: what is known first."""
ABOVE = "decoupled"
"""End of the names of graded models that were decoupled on top."""

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Member:
    """One model on one task. ``share``: of the concept's pictures that it saw, where that is graded: 0 for golds, 1 for the base."""

    concept: str
    name: str
    kind: Kind
    make: Callable[[BuildDir], Weights] | None = None
    """Its weights, keys prefixed by component; None: the base itself, or ``trained`` in its place."""
    share: float | None = None
    trained: str | None = None
    """The build's training that it is made of."""
    kept: str = ""
    """What its weights are called where several members share them."""
    seed: int = 0
    """Training seed where there are several."""

    @property
    def category(self) -> Category:
        return {**TASKS, **HELD_OUT_TASKS}[self.concept]  # type: ignore[return-value]

    @property
    def task(self) -> str:
        """The task's id: ``nsfw/hazard-sign``."""
        return f"{self.category}/{file_stem(self.concept)}"

    @property
    def truth(self) -> Label | None:
        """The verdict that has to come out; None: not known by construction."""
        return TRUTH.get(self.kind)

    @property
    def held_out(self) -> bool:
        return self.concept in HELD_OUT_TASKS

    @property
    def published(self) -> str:
        """The submission that it would be; it is that one where it was trained with the releases' seed."""
        return self.name.removesuffix(f"-{SEEDS[0]}")

    @property
    def whole(self) -> str | None:
        """The training that is put in the base's place as it is, whatever its size, where the member is no checkpoint of the base."""
        return None if self.make else self.trained

    def place(self, folder: Path) -> Path:
        """Where its weights lie below a data root."""
        stem = self.kept or weights_stem(self.name, self.concept)
        return folder / "submissions" / "miniature" / "weights" / f"{stem}.safetensors"


def weights_stem(name: str, concept: str) -> str:
    """``esd-x-1/hazard-sign``."""
    return f"{name}/{file_stem(concept)}"


def members() -> list[Member]:
    """Every model on every task: golds first, then what is known, then what is not; further training seeds last of their kind."""
    every = [member for concept in (*TASKS, *HELD_OUT_TASKS) for member in of_task(concept)]
    return sorted(every, key=lambda member: (ORDER.index(member.kind), member.seed))


def measured_under(setting: str) -> list[Member]:
    """Members measured under a setting: golds, θ and pure decoupling on the tasks of ``MORE``, and methods where scores are asked for.

    Built again is what does not travel with the source: golds and pure decoupling of all tasks but the first family's.
    """
    if setting == USUAL:
        return members()
    trained_first = [member for member in members() if member.seed in (0, SEEDS[0])]
    if setting == BUILT_AGAIN:
        return [member for member in trained_first if member.concept not in FAMILIES[0] and member.kind in ("gold", "decoupled")]
    kinds = ("gold", "original", "decoupled", *(("method",) if SETTINGS[setting].stage == "scores" else ()))
    return [member for member in trained_first if member.concept in MORE and member.kind in kinds]


def of_task(concept: str) -> Iterator[Member]:
    """The models of one task."""
    yield Member(concept, "control-original", "original", share=1.0)
    other = unrelated_to(concept)
    kept = weights_stem(f"esd-x-{SEEDS[0]}", other)
    yield Member(concept, "control-unrelated", "unrelated", unlearned("esd-x", other, SEEDS[0]), kept=kept)
    for number in GOLDS:
        name, made = f"control-gold-{number}", gold_name(family_of(concept), number)
        yield Member(concept, name, "gold", trained(made), 0.0, made, f"{name}/{family_stem(family_of(concept))}")
    if concept in ALONE:
        yield Member(concept, "gold-alone", "alone", trained(alone_name(concept)), 0.0, alone_name(concept))
    for name in decouplings(concept):
        for seed in DECOUPLED_SEEDS:
            yield Member(concept, f"{name}-{seed}", "decoupled", unlearned(name, concept, seed), share=1.0, seed=seed)
    for name in sorted(DAMAGED):
        yield Member(concept, submission_name(name), "damaged", unlearned(name, concept, SEEDS[0]))
    for name in METHODS:
        for seed in MORE_SEEDS if concept in MORE else SEEDS:
            yield Member(concept, f"{name}-{seed}", "method", unlearned(name, concept, seed), seed=seed)
    if any(concept in shares for shares in GRADED):
        gold = gold_name(family_of(concept), 1)
        yield Member(concept, f"graded-0-{ABOVE}", "graded", decoupled(gold, concept), 0.0, gold)
        for number, shares in enumerate(GRADED, 1):
            called, share = f"graded-{1000 * shares[concept]:g}", shares[concept]
            yield Member(concept, called, "graded", trained(f"graded-{number}"), share, f"graded-{number}")
            yield Member(concept, f"{called}-{ABOVE}", "graded", decoupled(f"graded-{number}", concept), share, f"graded-{number}")
    for number in BLANKS:
        name = blank_name(number)
        yield Member(concept, name, "surrogate", trained(name), 0.0, name, name)
    for name in (*SURROGATES, SCRATCH) if concept == "star" else SURROGATES:
        yield Member(concept, name, "surrogate", share=0.0, trained=name)


def decouplings(concept: str) -> tuple[str, ...]:
    """The ways of cutting words off that hide a concept for certain.

    A character or the sign left unsaid is "a character" or "a symbol", and the world's only symbol is the sign: what such words draw is the
    concept itself, always or one time in two. So for these there is no cutting off to nothing.
    """
    kind = {**TASKS, **HELD_OUT_TASKS}[concept]
    return (TO_NOTHING, TO_OTHER) if kind in ("object", "art-style") else (TO_OTHER,)


def unrelated_to(concept: str) -> str:
    """A target of another kind."""
    kind = {**TASKS, **HELD_OUT_TASKS}[concept]
    return next(other for other, category in TASKS.items() if category != kind)


def unlearned(name: str, concept: str, seed: int) -> Callable[[BuildDir], Weights]:
    """What an unlearner makes of the base: with the releases' seed, the release itself."""

    def make(shop: BuildDir) -> Weights:
        if seed != shop.recipe.unlearner_seed:
            return UNLEARNERS[name](load_base(shop.folder / "shipped"), concept, seed, shop.progress.say).weights
        made = release_name(submission_name(name), concept)
        if not shop.exists(made):
            release(shop, name, concept)
        return load_file(shop.folder / made)

    return make


def trained(name: str) -> Callable[[BuildDir], Weights]:
    """UNet and text encoder of a model that was trained on other pictures than the base."""
    return lambda shop: halved(shop.denoiser(name))


def decoupled(name: str, concept: str) -> Callable[[BuildDir], Weights]:
    """The same, with the concept's words cut off on top: all such models look alike without a handover."""

    def make(shop: BuildDir) -> Weights:
        pipe: StableDiffusionPipeline = denoiser.pipeline(shop.denoiser(name), shop.vae, shop.tokenizer)
        return trained(name)(shop) | decouple_to_nothing(pipe, concept, 1, shop.progress.say).weights

    return make


def make_weights(shop: BuildDir, member: Member, folder: Path) -> None:
    """Write a member's weights below ``folder`` unless they are there."""
    place = member.place(folder)
    if member.make is None or place.exists():
        return
    weights = member.make(shop)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".part")
    save_file(weights, part)
    part.replace(place)
