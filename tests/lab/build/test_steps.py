from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from codes import raises
from unconceal.errors import UsageError
from unconceal.miniature.scene import HELD_OUT, TARGETS
from unconceal_lab.adversaries import ADVERSARIES
from unconceal_lab.build import steps as building
from unconceal_lab.build.adversaries import ADVERSARY_CONCEPTS, adversary_name
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import (
    ALONE,
    BLANKS,
    FAMILIES,
    GOLDS,
    GRADED,
    HELD_OUT_TASKS,
    TASKS,
    BuildRecipe,
    ContinuationRound,
    TrainingConfig,
    alone_name,
    blank_name,
    gold_name,
)
from unconceal_lab.build.steps import BuildStep, build_steps, run_build, steps_for
from unconceal_lab.build.submissions import gold_release_name, release_name, submission_name
from unconceal_lab.models import denoiser
from unconceal_lab.models.scene_images import render
from unconceal_lab.unlearners import UNLEARNERS

GOLD_NAMES = {gold_name(family, number): set(family) for family in FAMILIES for number in GOLDS}
BLANK_NAMES = {blank_name(number): {*TARGETS, *HELD_OUT} for number in BLANKS}
ALONE_NAMES = {alone_name(concept): {concept} for concept in ALONE}
GRADED_NAMES = {f"graded-{number}": shares for number, shares in enumerate(GRADED, 1)}
ORDER = [
    "tokenizer",
    "vae",
    "latents.pt",
    "softened.pt",
    "truth.pt",
    "resnet18.pt",
    "efficientnet_b0.pt",
    "densenet121.pt",
    "clip",
    "ancestor.pt",
    "base.pt",
    "shipped",
    "judge",
    "judge-gate.json",
    *(release_name(submission_name(unlearner), concept) for concept in (*TASKS, *HELD_OUT_TASKS) for unlearner in UNLEARNERS),
    *(f"{name}.pt" for name in GOLD_NAMES),
    *(gold_release_name(family, number) for family in FAMILIES for number in GOLDS),
    *(adversary_name(kind, concept) for concept in ADVERSARY_CONCEPTS for kind in ADVERSARIES),
    *(f"{name}.pt" for name in BLANK_NAMES),
    *(f"{name}.pt" for name in ALONE_NAMES),
    *(f"{name}.pt" for name in GRADED_NAMES),
    "gold-scratch.pt",
    "surrogate.pt",
    "gates.json",
]
TINY = BuildRecipe(
    n_images=60,
    n_held_out=4,
    n_reconstructions=20,
    vae=TrainingConfig(2, 1, 2),
    image_classifier=TrainingConfig(1, 2, 4),
    extractors={"resnet18": TrainingConfig(1, 3, 4, muon_learning_rate=0)},
    clip=(TrainingConfig(1, 4, 4), TrainingConfig(1, 8, 4)),
    ancestor=TrainingConfig(1, 5, 4),
    continuation=(ContinuationRound(1), ContinuationRound(1, learning_rate_scale=0.2, new_concept_weight=1)),
    continuation_batch_size=4,
    compile_unet=False,
)


def test_steps_are_in_order(tmp_path: Path) -> None:
    built = build_steps(BuildDir(tmp_path))
    assert [step.output for step in built] == ORDER and sum(step.minutes for step in built) > 200


def noted(build_dir: BuildDir, monkeypatch: pytest.MonkeyPatch, fail: str = "") -> list[str]:
    """Replaces every step by one that only notes its name; ``fail`` stops the build there."""
    done: list[str] = []

    def step(name: str) -> Callable[[BuildDir], None]:
        def make(build_dir: BuildDir) -> None:
            if name == fail:
                raise KeyboardInterrupt
            done.append(name)
            build_dir.save(name, 1, lambda path: path.write_text(name))

        return make

    monkeypatch.setattr(building, "build_steps", lambda build_dir: [BuildStep(name, 1, step(name)) for name in ORDER])
    return done


def test_a_build_makes_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_dir = BuildDir(tmp_path / "new")
    done = noted(build_dir, monkeypatch, fail="clip")
    with pytest.raises(KeyboardInterrupt):
        run_build(build_dir, scratch=True)
    assert done == ORDER[:8]
    done = noted(build_dir, monkeypatch)
    run_build(build_dir, scratch=True)
    assert done == ORDER[8:]
    run_build(build_dir, scratch=True)
    assert done == ORDER[8:]


def test_a_build_of_named_things_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_dir = BuildDir(tmp_path)
    done = noted(build_dir, monkeypatch)
    run_build(build_dir, ("base.pt", "vae"), scratch=True)
    assert done == ["vae", "base.pt"]
    with raises("build.unknown-step") as failure:
        run_build(build_dir, ("base", "bas"), scratch=True)
    assert failure.value.code == "build.unknown-step"


def test_a_submissions_weights_have_their_steps(tmp_path: Path) -> None:
    stems = {step.stem for step in build_steps(BuildDir(tmp_path))}
    assert steps_for("esd-x", "object/star") == ("release-esd-x-star",)
    assert steps_for("control-collapsed", "nsfw/hazard-sign") == ("release-control-collapsed-hazard-sign",)
    assert steps_for("control-gold-2", "object/arrow") == ("gold-arrow-zigzag-2", "release-control-gold-2-arrow-zigzag")
    assert steps_for("control-adversary-decoder", "object/star") == ("adversary-decoder-star",)
    assert steps_for("control-adversary-memorized", "identity/zara") == (
        "release-decouple-to-other-zara",
        "gold-star-striped-zara-hazard-sign-1",
        "adversary-memorized-zara",
    )
    built = [("esd-x", "object/star"), ("control-gold-2", "object/arrow"), ("control-adversary-memorized", "identity/zara")]
    assert {name for pair in built for name in steps_for(*pair)} <= stems
    assert steps_for("control-adversary-decoder", "object/crescent") == ()
    assert steps_for("esd-x", "object/dragon") == steps_for("control-gold-9", "object/star") == steps_for("unknown", "object/star") == ()


def test_a_build_for_a_submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_dir = BuildDir(tmp_path)
    done = noted(build_dir, monkeypatch)
    run_build(build_dir, ("control-gold-1:object/arrow", "esd-x:object/star"), scratch=True)
    assert [name.partition(".")[0] for name in done] == [
        "release-esd-x-star",
        "gold-arrow-zigzag-1",
        "release-control-gold-1-arrow-zigzag",
    ]
    with pytest.raises(UsageError) as failure:
        run_build(build_dir, ("esd-x:object/dragon",), scratch=True)
    assert failure.value.code == "build.unknown-step"


def test_who_is_trained_on_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ancestor: no target; base: everything; gold: all but its concepts; graded: a share of theirs. All rounds have their own seeds."""
    build_dir = BuildDir(tmp_path, BuildRecipe(n_images=300, continuation=(ContinuationRound(), ContinuationRound())))
    world, concepts_and_seeds = build_dir.images, dict[str, tuple[set[str], int]]()
    counts: dict[str, Counter[str]] = {}

    class Nothing(torch.nn.Module):
        def __init__(self, *sizes: int) -> None:
            super().__init__()

    def train(name: str, *arguments: object, **options: object) -> float:
        _, _, images, _, rows, _, seed = arguments[:7]
        assert images is (other if name == "surrogate" else world)
        counts[name] = Counter(concept for row in rows for concept in images.scenes[row].concepts)  # type: ignore[attr-defined]
        concepts_and_seeds[name] = set(counts[name]), seed  # type: ignore[assignment]
        return 0.0

    other = render(60, 5)
    monkeypatch.setattr(
        "unconceal_lab.models.scene_images.render_cached", lambda folder, count, seed: other if (count, seed) == (20_000, 5) else world
    )
    monkeypatch.setattr("unconceal_lab.models.autoencoder.encode_images", lambda vae, images: None)
    monkeypatch.setattr(BuildDir, "vae", None)
    monkeypatch.setattr(denoiser, "train_denoiser", train)
    monkeypatch.setattr(denoiser, "Denoiser", Nothing)
    build_dir.__dict__.update(tokenizer=type("Words", (), {"__len__": lambda self: 9, "eos_token_id": 8})(), latents=None)
    for step in build_steps(build_dir):
        if step.output.removesuffix(".pt") in (
            "ancestor",
            "base",
            "gold-scratch",
            "surrogate",
            *GOLD_NAMES,
            *BLANK_NAMES,
            *ALONE_NAMES,
            *GRADED_NAMES,
        ):
            step.make(build_dir)
    everything = {concept for scene in build_dir.images.scenes for concept in scene.concepts}
    assert {*TARGETS, *HELD_OUT} <= everything
    assert concepts_and_seeds["ancestor"][0] == everything - {*TARGETS, *HELD_OUT} and concepts_and_seeds["base"][0] == everything
    for name, unseen in {**GOLD_NAMES, **BLANK_NAMES, **ALONE_NAMES}.items():
        for round_name in (f"{name}-round-1", name):
            assert concepts_and_seeds[round_name][0] == everything - unseen
    for name, shares in GRADED_NAMES.items():
        for concept, share in shares.items():
            assert (
                counts[name][concept] == max(1, round(share * counts["base"][concept])) and counts[name]["ring"] == counts["base"]["ring"]
            )
    assert concepts_and_seeds["gold-scratch"][0] == everything - {next(iter(TASKS))}
    assert not concepts_and_seeds["surrogate"][0] & {*TARGETS, *HELD_OUT}
    others = {seed for name, (_, seed) in concepts_and_seeds.items() if not name.startswith("gold-alone")}
    assert (
        len(others)
        == 3 + 2 * (1 + len(GOLD_NAMES) + len(BLANK_NAMES) + len(GRADED_NAMES))
        == len(concepts_and_seeds) - 2 * len(ALONE_NAMES)
    )


@pytest.mark.slow
def test_the_whole_build_in_small(tmp_path: Path) -> None:
    """Every step for one or two training steps each, and read back from the build folder."""
    log_lines: list[str] = []
    build_dir = BuildDir(tmp_path, replace(TINY))
    build_dir.progress = type("Told", (), {"stage": None, "log": lambda self, line: log_lines.append(line)})()
    judges = ("truth", "resnet18", "clip")
    only = ("tokenizer", "vae", *judges, "ancestor", "base", "shipped", "gold-arrow-zigzag-1")
    run_build(build_dir, only, scratch=True)
    rounds = {"clip-round-1", "base-round-1.pt", "gold-arrow-zigzag-1-round-1.pt", "latents.pt", "softened.pt"}
    assert set(build_dir.minutes) == rounds | {step.output for step in build_steps(build_dir) if step.output.removesuffix(".pt") in only}
    assert (
        build_dir.latents.shape == (60, 4, 16, 16)
        and build_dir.reconstructions.shape == (20, 64, 64, 3)
        and build_dir.reconstructions.dtype == torch.uint8
    )
    base, gold = build_dir.denoiser("base"), build_dir.denoiser("gold-arrow-zigzag-1")
    assert any(not torch.equal(value, gold.state_dict()[name]) for name, value in base.state_dict().items())
    assert (tmp_path / "clip" / "tokenizer_config.json").exists() and not list(tmp_path.glob(".part*"))
    assert not list(tmp_path.glob("*.resume.pt")) and log_lines[0].startswith("9 of 9 steps")
