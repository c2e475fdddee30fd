"""The steps of the build, in order. Each step has one output and needs only outputs of earlier steps."""

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
from unconceal.miniature.scene import HELD_OUT, TARGETS
from unconceal_lab.adversaries import ADVERSARIES
from unconceal_lab.build.adversaries import (
    ADVERSARY_CONCEPTS,
    adversary_inputs,
    adversary_name,
    adversary_submission,
    release_adversary,
)
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.miniature_judge import make_judge, make_judge_gate
from unconceal_lab.build.model_gates import measure_gates
from unconceal_lab.build.recipe import (
    ALONE,
    BLANKS,
    FAMILIES,
    GOLDS,
    GRADED,
    HELD_OUT_TASKS,
    TASKS,
    TrainingConfig,
    alone_name,
    blank_name,
    family_of,
    file_stem,
    gold_name,
)
from unconceal_lab.build.ship import import_shipped
from unconceal_lab.build.submissions import gold_release_name, release, release_gold, release_name, ship_base, submission_name
from unconceal_lab.models import autoencoder, classifiers, clip_model, denoiser, scene_images, tokenizer
from unconceal_lab.unlearners import UNLEARNERS

N_CAPTIONS = 20_000
"""Captions that the tokenizer's merges are learned on."""
UNLEARNING_MINUTES = 2
ADVERSARY_MINUTES = 3
CONTINUATION_MINUTES = 30
SCRATCH, SURROGATE = "gold-scratch", "surrogate"
UNSEEN = (*TARGETS, *HELD_OUT)
"""Concepts that the ancestor never saw."""


class BuildStep(NamedTuple):
    """One step of the build.

    Attributes:
        output: the file or folder that the step makes.
        minutes: expected processor minutes on one thread.
        make: runs the step and saves its output.
    """

    output: str
    minutes: float
    make: Callable[[BuildDir], None]

    @property
    def stem(self) -> str:
        return without_suffix(self.output)


def without_suffix(name: str) -> str:
    return name.partition(".")[0]


def make_tokenizer(build_dir: BuildDir) -> None:
    rng = np.random.default_rng(0)
    texts = [captions.caption(scene, rng) for scene in build_dir.images.scenes[:N_CAPTIONS]]
    build_dir.save("tokenizer", 0.1, lambda path: tokenizer.train_tokenizer(texts, path))


def make_vae(build_dir: BuildDir) -> None:
    config = build_dir.recipe.vae
    vae, minutes = autoencoder.train_autoencoder(
        build_dir.images, build_dir.folder, config.steps, config.seed, config.batch_size, build_dir.progress.log
    )
    build_dir.save("vae", minutes, vae.save_pretrained)


def make_latents(build_dir: BuildDir) -> None:
    _ = build_dir.latents


def make_reconstructions(build_dir: BuildDir) -> None:
    _ = build_dir.reconstructions


def classifier_step(name: str, architecture: str, config: TrainingConfig, minutes: float) -> BuildStep:
    """Train one classifier; its output is ``{name}.pt``."""

    def make(build_dir: BuildDir) -> None:
        model, cpu_minutes = classifiers.train_classifier(
            name,
            architecture,
            build_dir.images,
            build_dir.folder,
            config.steps,
            config.seed,
            config.batch_size,
            config.muon_learning_rate,
            build_dir.reconstructions if config.reconstructions else None,
            config.warp,
            log=build_dir.progress.log,
        )
        build_dir.save(f"{name}.pt", cpu_minutes, lambda path: torch.save(model.state_dict(), path))

    return BuildStep(f"{name}.pt", minutes, make)


def make_clip(build_dir: BuildDir) -> None:
    """Train the CLIP: uniform batches in the first round, batches of equal colour and background in the others."""
    rounds = build_dir.recipe.clip
    torch.manual_seed(rounds[0].seed)
    model = clip_model.new_clip(len(build_dir.tokenizer), int(build_dir.tokenizer.eos_token_id))
    for number, (name, config) in enumerate(zip(round_names("clip", len(rounds)), rounds, strict=True)):
        if build_dir.exists(name):
            model = CLIPModel.from_pretrained(build_dir.folder / name, dtype=torch.float32)
            continue
        images = build_dir.images
        groups = clip_model.group_by_colour_and_background(images) if number else [np.arange(len(images))]
        minutes = clip_model.train_clip(
            name,
            model,
            images,
            build_dir.tokenizer,
            groups,
            build_dir.folder,
            config.steps,
            config.seed,
            config.batch_size,
            build_dir.reconstructions,
            build_dir.progress.log,
        )
        build_dir.save(name, minutes, lambda path, model=model: save_clip(build_dir, model, path))  # type: ignore[misc]


def save_clip(build_dir: BuildDir, model: CLIPModel, folder: Path) -> None:
    """The model with its tokenizer."""
    model.save_pretrained(folder)
    build_dir.tokenizer.save_pretrained(folder)


def round_names(name: str, n_rounds: int) -> list[str]:
    """Output names of the rounds of a training; the last round has the training's own name."""
    return [*(f"{name}-round-{number}" for number in range(1, n_rounds)), name]


def make_ancestor(build_dir: BuildDir) -> None:
    config = build_dir.recipe.ancestor
    torch.manual_seed(config.seed)
    model = build_dir.new_denoiser("ancestor")
    train_on_images(build_dir, "ancestor", model, build_dir.images.excluding(UNSEEN), config.steps, config.seed)


def train_on_images(build_dir: BuildDir, name: str, model: denoiser.Denoiser, rows: NDArray[np.int64], steps: int, seed: int) -> None:
    """Train ``model`` on some of the training images with the ancestor's batch size, and save it as ``{name}.pt``."""
    recipe = build_dir.recipe
    minutes = denoiser.train_denoiser(
        name,
        model,
        build_dir.tokenizer,
        build_dir.images,
        build_dir.latents,
        rows,
        steps,
        seed,
        build_dir.folder,
        recipe.ancestor.batch_size,
        compile_unet=recipe.compile_unet,
        log=build_dir.progress.log,
    )
    build_dir.save(f"{name}.pt", minutes, lambda path: torch.save(model.state_dict(), path))


def continuation_step(name: str, seed: int, shares: Mapping[str, float]) -> BuildStep:
    """Continue the ancestor on images in which some concepts are rare or absent.

    Args:
        name: name of the model.
        seed: seed of the first round; round i adds ``100 · i``.
        shares: share of a concept's images that stay, 0 to 1. All zero makes a gold, an empty mapping the base.
    """

    def make(build_dir: BuildDir) -> None:
        recipe, previous = build_dir.recipe, "ancestor"
        rows = build_dir.images.subsampled(shares)
        for number, (round_name, config) in enumerate(zip(round_names(name, len(recipe.continuation)), recipe.continuation, strict=True)):
            if not build_dir.exists(f"{round_name}.pt"):
                model = build_dir.denoiser(previous)
                minutes = denoiser.train_denoiser(
                    round_name,
                    model,
                    build_dir.tokenizer,
                    build_dir.images,
                    build_dir.latents,
                    rows,
                    config.steps,
                    seed + 100 * number,
                    build_dir.folder,
                    recipe.continuation_batch_size,
                    config.learning_rate_scale,
                    config.decay_from,
                    round_weights(build_dir, rows, config.new_concept_weight),
                    compile_unet=recipe.compile_unet,
                    log=build_dir.progress.log,
                )
                build_dir.save(f"{round_name}.pt", minutes, lambda path, model=model: torch.save(model.state_dict(), path))  # type: ignore[misc]
            previous = round_name

    return BuildStep(f"{name}.pt", CONTINUATION_MINUTES, make)


def round_weights(build_dir: BuildDir, rows: NDArray[np.int64], weight: float) -> NDArray[np.float64] | None:
    """Sampling weights of a round's first half: ``weight`` for images of concepts that the ancestor never saw, else 1."""
    return None if weight == 1 else denoiser.sampling_weights(build_dir.images, rows, UNSEEN, weight)


def make_scratch_gold(build_dir: BuildDir) -> None:
    """A gold trained from scratch, without the first target, for as many steps as ancestor and base together."""
    recipe, concept = build_dir.recipe, next(iter(TASKS))
    torch.manual_seed(recipe.scratch_seed)
    model = build_dir.new_denoiser(SCRATCH)
    train_on_images(build_dir, SCRATCH, model, build_dir.images.excluding((concept,)), recipe.scratch_steps, recipe.scratch_seed)


def make_surrogate(build_dir: BuildDir) -> None:
    """An approximate gold of another size, trained from scratch on other images. It shares VAE and tokenizer with the base."""
    recipe, config = build_dir.recipe, build_dir.recipe.surrogate
    images = scene_images.render_cached(build_dir.folder, recipe.surrogate_n_images, recipe.surrogate_image_seed)
    latents = autoencoder.encode_images(build_dir.vae, images)
    torch.manual_seed(config.seed)
    model = build_dir.new_denoiser(SURROGATE)
    minutes = denoiser.train_denoiser(
        SURROGATE,
        model,
        build_dir.tokenizer,
        images,
        latents,
        images.excluding(UNSEEN),
        config.steps,
        config.seed,
        build_dir.folder,
        config.batch_size,
        compile_unet=recipe.compile_unet,
        log=build_dir.progress.log,
    )
    build_dir.save(f"{SURROGATE}.pt", minutes, lambda path: torch.save(model.state_dict(), path))


def make_shipped(build_dir: BuildDir) -> None:
    build_dir.save("shipped", 0, lambda folder: ship_base(build_dir, folder))


def release_step(unlearner: str, concept: str) -> BuildStep:
    """Run an unlearner on the shipped base."""
    name = release_name(submission_name(unlearner), concept)
    return BuildStep(name, UNLEARNING_MINUTES, lambda build_dir: release(build_dir, unlearner, concept))


def gold_release_step(family: tuple[str, ...], number: int) -> BuildStep:
    return BuildStep(gold_release_name(family, number), 0, lambda build_dir: release_gold(build_dir, family, number))


def adversary_step(kind: str, concept: str) -> BuildStep:
    """Train an adversary on the shipped base."""
    return BuildStep(adversary_name(kind, concept), ADVERSARY_MINUTES, lambda build_dir: release_adversary(build_dir, kind, concept))


def build_steps(build_dir: BuildDir) -> list[BuildStep]:
    """Every step of the recipe, ordered so that each finds its inputs."""
    recipe = build_dir.recipe
    return [
        BuildStep("tokenizer", 0.1, make_tokenizer),
        BuildStep("vae", 13, make_vae),
        BuildStep("latents.pt", 3, make_latents),
        BuildStep("softened.pt", 0.6, make_reconstructions),
        classifier_step("truth", recipe.image_classifier_architecture, recipe.image_classifier, 4),
        *(classifier_step(name, name, config, 8) for name, config in recipe.extractors.items()),
        BuildStep("clip", 38, make_clip),
        BuildStep("ancestor.pt", 29, make_ancestor),
        continuation_step("base", recipe.base_seed, {}),
        BuildStep("shipped", 0.1, make_shipped),
        BuildStep("judge", 6, make_judge),
        BuildStep("judge-gate.json", 2, make_judge_gate),
        *(release_step(unlearner, concept) for concept in (*TASKS, *HELD_OUT_TASKS) for unlearner in UNLEARNERS),
        *(
            continuation_step(gold_name(family, number), recipe.gold_seed + 10 * index + number, dict.fromkeys(family, 0.0))
            for index, family in enumerate(FAMILIES, 2)
            for number in GOLDS
        ),
        *(gold_release_step(family, number) for family in FAMILIES for number in GOLDS),
        *(adversary_step(kind, concept) for concept in ADVERSARY_CONCEPTS for kind in ADVERSARIES),
        *(continuation_step(blank_name(number), recipe.blank_seed + number, dict.fromkeys(UNSEEN, 0.0)) for number in BLANKS),
        *(continuation_step(alone_name(concept), seed, {concept: 0.0}) for concept, seed in ALONE.items()),
        *(continuation_step(f"graded-{number}", recipe.graded_seed + number, shares) for number, shares in enumerate(GRADED, 1)),
        BuildStep(f"{SCRATCH}.pt", 55, make_scratch_gold),
        BuildStep(f"{SURROGATE}.pt", 40, make_surrogate),
        BuildStep("gates.json", 12, measure_gates),
    ]


def steps_for(submission: str, task: str) -> tuple[str, ...]:
    """Names of the steps that make the weights of a miniature submission for one task, in order.

    Args:
        submission: name of the submission, e.g. ``esd-x`` or ``control-gold-1``.
        task: id of the task, e.g. ``object/star``.

    Returns:
        Step names for ``--only``; empty if the build makes no weights for this pair.
    """
    concept = next((name for name in (*TASKS, *HELD_OUT_TASKS) if file_stem(name) == task.partition("/")[2]), None)
    if concept is None:
        return ()
    if submission in map(submission_name, UNLEARNERS):
        return (without_suffix(release_name(submission, concept)),)
    for kind in ADVERSARIES:
        if submission == adversary_submission(kind) and concept in ADVERSARY_CONCEPTS:
            return tuple(map(without_suffix, (*adversary_inputs(kind, concept), adversary_name(kind, concept))))
    family = family_of(concept)
    for number in GOLDS:
        if submission == f"control-gold-{number}":
            return gold_name(family, number), without_suffix(gold_release_name(family, number))
    return ()


def selected_names(only: tuple[str, ...]) -> set[str]:
    """Step names of ``--only``, without suffix. ``SUBMISSION:TASK`` stands for the steps of :func:`steps_for`."""
    names = set[str]()
    for name in only:
        submission, colon, task = name.partition(":")
        names |= set(steps_for(submission, task)) if colon and steps_for(submission, task) else {without_suffix(name)}
    return names


def run_build(build_dir: BuildDir, only: tuple[str, ...] = (), scratch: bool = False) -> None:
    """Run the steps whose output is missing.

    Args:
        build_dir: where outputs are saved.
        only: steps to run, by output with or without suffix, or by ``SUBMISSION:TASK``; empty runs all.
        scratch: import nothing from the shipped weights.

    Raises:
        UsageError: ``only`` names no step.
    """
    steps, names = build_steps(build_dir), selected_names(only)
    if unknown := names - {step.stem for step in steps}:
        raise UsageError(
            "build.unknown-step",
            f"--only {min(unknown)}",
            "names no build step",
            "list the steps with `python -m unconceal_lab build --list`",
        )
    build_dir.folder.mkdir(parents=True, exist_ok=True)
    if not scratch:
        import_shipped(build_dir)
    selected = [step for step in steps if not only or step.stem in names]
    missing = [step for step in selected if not build_dir.exists(step.output)]
    minutes = sum(step.minutes for step in missing)
    build_dir.progress.log(f"{len(missing)} of {len(selected)} steps to do, about {minutes:.0f} CPU minutes on one thread")
    for step in missing:
        step.make(build_dir)
        build_dir.progress.log(f"{step.output}: {build_dir.minutes[step.output]:.1f} CPU minutes")
