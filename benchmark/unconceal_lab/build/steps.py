"""The steps of the build in order; each makes one thing and needs only what came before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPModel

from unconceal.errors import UsageError
from unconceal.miniature import captions
from unconceal_lab.models import autoencoder
from unconceal_lab.models import classifiers
from unconceal_lab.models import clip_model
from unconceal_lab.models import denoiser
from unconceal_lab.models import drawings
from unconceal_lab.models import tokenizer
from unconceal_lab.build.model_gates import measure_gates
from unconceal_lab.build.miniature_judge import make_gate, make_judge
from unconceal_lab.build.recipe import (
    ALONE,
    BLANKS,
    FAMILIES,
    GOLDS,
    GRADED,
    HELD_OUT_TASKS,
    TASKS,
    Training,
    alone_name,
    blank_name,
    gold_name,
)
from unconceal_lab.build.submissions import gold_release_name, release, release_gold, release_name, ship_base, submission_name
from unconceal_lab.build.ship import adopt
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.unlearners import UNLEARNERS
from unconceal.miniature.scene import HELD_OUT, TARGETS

CAPTIONS = 20_000
UNLEARNING_MINUTES = 2
CONTINUING_MINUTES = 30
SCRATCH, SURROGATE = "gold-scratch", "surrogate"


class Step(NamedTuple):
    """``makes``: the file or folder; ``minutes``: expected processor minutes on one thread; ``make`` does it."""

    makes: str
    minutes: float
    make: Callable[[BuildDir], None]

    @property
    def stem(self) -> str:
        return self.makes.partition(".")[0]


def make_tokenizer(shop: BuildDir) -> None:
    rng = np.random.default_rng(0)
    texts = [captions.caption(scene, rng) for scene in shop.world.scenes[:CAPTIONS]]
    shop.keep("tokenizer", 0.1, lambda path: tokenizer.build(texts, path))


def make_vae(shop: BuildDir) -> None:
    how = shop.recipe.vae
    vae, minutes = autoencoder.train(shop.world, shop.folder, how.steps, how.seed, how.batch, shop.progress.say)
    shop.keep("vae", minutes, vae.save_pretrained)


def make_latents(shop: BuildDir) -> None:
    _ = shop.latents


def make_softened(shop: BuildDir) -> None:
    _ = shop.softened


def classifier_step(name: str, architecture: str, how: Training, minutes: float) -> Step:
    def make(shop: BuildDir) -> None:
        softened = shop.softened if how.softened else None
        model, spent = classifiers.train(
            name,
            architecture,
            shop.world,
            shop.folder,
            how.steps,
            how.seed,
            how.batch,
            how.muon,
            softened,
            how.warped,
            say=shop.progress.say,
        )
        shop.keep(f"{name}.pt", spent, lambda path: torch.save(model.state_dict(), path))

    return Step(f"{name}.pt", minutes, make)


def make_clip(shop: BuildDir) -> None:
    """The CLIP: batches of anything first, then of pictures that look alike."""
    rounds = shop.recipe.clip
    torch.manual_seed(rounds[0].seed)
    model = clip_model.new(len(shop.tokenizer), int(shop.tokenizer.eos_token_id))
    for number, (called, how) in enumerate(zip(round_names("clip", len(rounds)), rounds, strict=True)):
        if shop.exists(called):
            model = CLIPModel.from_pretrained(shop.folder / called, dtype=torch.float32)
            continue
        groups = clip_model.alike(shop.world) if number else [np.arange(len(shop.world))]
        minutes = clip_model.train(
            called, model, shop.world, shop.tokenizer, groups, shop.folder, how.steps, how.seed, how.batch, shop.softened, shop.progress.say
        )
        shop.keep(called, minutes, lambda path, model=model: save_clip(shop, model, path))  # type: ignore[misc]


def save_clip(shop: BuildDir, model: CLIPModel, folder: Path) -> None:
    """The model with its tokenizer."""
    model.save_pretrained(folder)
    shop.tokenizer.save_pretrained(folder)


def round_names(name: str, rounds: int) -> list[str]:
    """What each round of a training leaves behind; the last is the thing itself."""
    return [*(f"{name}-round-{number}" for number in range(1, rounds)), name]


def make_ancestor(shop: BuildDir) -> None:
    recipe = shop.recipe
    how = recipe.ancestor
    torch.manual_seed(how.seed)
    model = shop.untrained("ancestor")
    rows = shop.world.without((*TARGETS, *HELD_OUT))
    minutes = denoiser.train(
        "ancestor",
        model,
        shop.tokenizer,
        shop.world,
        shop.latents,
        rows,
        how.steps,
        how.seed,
        shop.folder,
        how.batch,
        fast=recipe.compiled,
        say=shop.progress.say,
    )
    shop.keep("ancestor.pt", minutes, lambda path: torch.save(model.state_dict(), path))


def continuation_step(name: str, seed: int, shares: Mapping[str, float]) -> Step:
    """The ancestor continued on the world with ``shares`` of some concepts' pictures: of none it is a gold, of all the base.

    Each round of the recipe is a whole schedule of its own (a warm restart).
    """

    def make(shop: BuildDir) -> None:
        recipe, before = shop.recipe, "ancestor"
        rows = shop.world.thinned(shares)
        rounds = zip(round_names(name, len(recipe.continuation)), recipe.continuation, strict=True)
        for number, (called, how) in enumerate(rounds):
            if not shop.exists(f"{called}.pt"):
                model = shop.denoiser(before)
                took = denoiser.train(
                    called, model, shop.tokenizer, shop.world, shop.latents, rows, how.steps, seed + 100 * number, shop.folder,
                    recipe.continuation_batch, how.rate, how.decay_from, favoured(shop, rows, how.favour), fast=recipe.compiled,
                    say=shop.progress.say,
                )
                shop.keep(f"{called}.pt", took, lambda path, model=model: torch.save(model.state_dict(), path))  # type: ignore[misc]
            before = called

    return Step(f"{name}.pt", CONTINUING_MINUTES, make)


def favoured(shop: BuildDir, rows: NDArray[np.int64], times: float) -> NDArray[np.float64] | None:
    """Sampling weights of a round's first half: concepts that the ancestor never saw are shown ``times`` as often."""
    return None if times == 1 else denoiser.balanced(shop.world, rows, (*TARGETS, *HELD_OUT), times)


def make_scratch_gold(shop: BuildDir) -> None:
    """A gold that shares nothing but the VAE: trained from nothing on the world without its concept, as long as base and ancestor."""
    recipe, concept = shop.recipe, next(iter(TASKS))
    torch.manual_seed(recipe.scratch_seed)
    model = shop.untrained(SCRATCH)
    rows = shop.world.without((concept,))
    minutes = denoiser.train(
        SCRATCH, model, shop.tokenizer, shop.world, shop.latents, rows, recipe.scratch_steps, recipe.scratch_seed, shop.folder,
        recipe.ancestor.batch, fast=recipe.compiled, say=shop.progress.say,
    )
    shop.keep(f"{SCRATCH}.pt", minutes, lambda path: torch.save(model.state_dict(), path))


def make_surrogate(shop: BuildDir) -> None:
    """A gold of the lesser kind: another size, another world, another start; only VAE and tokenizer are the base's."""
    recipe, how = shop.recipe, shop.recipe.surrogate
    world = drawings.cached(shop.folder, recipe.surrogate_pictures, recipe.surrogate_pictures_seed)
    latents = autoencoder.encode(shop.vae, world)
    torch.manual_seed(how.seed)
    model = shop.untrained(SURROGATE)
    minutes = denoiser.train(
        SURROGATE, model, shop.tokenizer, world, latents, world.without((*TARGETS, *HELD_OUT)), how.steps, how.seed, shop.folder, how.batch,
        fast=recipe.compiled, say=shop.progress.say,
    )
    shop.keep(f"{SURROGATE}.pt", minutes, lambda path: torch.save(model.state_dict(), path))


def make_shipped(shop: BuildDir) -> None:
    shop.keep("shipped", 0, lambda folder: ship_base(shop, folder))


def release_step(unlearner: str, concept: str) -> Step:
    """An unlearner run on the base as it is shipped."""
    name = release_name(submission_name(unlearner), concept)
    return Step(name, UNLEARNING_MINUTES, lambda shop: release(shop, unlearner, concept))


def gold_release_step(family: tuple[str, ...], number: int) -> Step:
    return Step(gold_release_name(family, number), 0, lambda shop: release_gold(shop, family, number))


def steps(shop: BuildDir) -> list[Step]:
    """Every step of the recipe, in an order in which each finds what it needs."""
    recipe = shop.recipe
    return [
        Step("tokenizer", 0.1, make_tokenizer),
        Step("vae", 13, make_vae),
        Step("latents.pt", 3, make_latents),
        Step("softened.pt", 0.6, make_softened),
        classifier_step("truth", recipe.truth_architecture, recipe.truth, 4),
        *(classifier_step(name, name, how, 8) for name, how in recipe.extractors.items()),
        Step("clip", 38, make_clip),
        Step("ancestor.pt", 29, make_ancestor),
        continuation_step("base", recipe.base_seed, {}),
        Step("shipped", 0.1, make_shipped),
        Step("judge", 6, make_judge),
        Step("judge-gate.json", 2, make_gate),
        *(release_step(unlearner, concept) for concept in (*TASKS, *HELD_OUT_TASKS) for unlearner in UNLEARNERS),
        *(
            continuation_step(gold_name(family, number), recipe.gold_seed + 10 * place + number, dict.fromkeys(family, 0.0))
            for place, family in enumerate(FAMILIES, 2)
            for number in GOLDS
        ),
        *(gold_release_step(family, number) for family in FAMILIES for number in GOLDS),
        *(
            continuation_step(blank_name(number), recipe.blank_seed + number, dict.fromkeys((*TARGETS, *HELD_OUT), 0.0))
            for number in BLANKS
        ),
        *(continuation_step(alone_name(concept), seed, {concept: 0.0}) for concept, seed in ALONE.items()),
        *(continuation_step(f"graded-{number}", recipe.graded_seed + number, shares) for number, shares in enumerate(GRADED, 1)),
        Step(f"{SCRATCH}.pt", 55, make_scratch_gold),
        Step(f"{SURROGATE}.pt", 40, make_surrogate),
        Step("gates.json", 12, measure_gates),
    ]


def build(shop: BuildDir, only: tuple[str, ...] = (), scratch: bool = False) -> None:
    """Make what is missing; ``only`` names things to make, with or without suffix; ``scratch``: take nothing from what is shipped.

    Raises:
        UsageError: nothing that the build makes is called so.
    """
    every, chosen = steps(shop), {name.partition(".")[0] for name in only}
    if unknown := chosen - {step.stem for step in every}:
        raise UsageError(f"--only {min(unknown)}", "the build makes nothing of that name", "see `unconceal miniature build --list`")
    shop.folder.mkdir(parents=True, exist_ok=True)
    if not scratch:
        adopt(shop)
    wanted = [step for step in every if not only or step.stem in chosen]
    missing = [step for step in wanted if not shop.exists(step.makes)]
    shop.progress.say(
        f"{len(missing)} of {len(wanted)} steps to do, about {sum(step.minutes for step in missing):.0f} CPU minutes on one thread"
    )
    for step in missing:
        step.make(shop)
        shop.progress.say(f"{step.makes}: {shop.minutes[step.makes]:.1f} CPU minutes")
