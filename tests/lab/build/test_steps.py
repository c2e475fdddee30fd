from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unconceal.errors import UsageError
from unconceal_lab.models import denoiser
from unconceal_lab.build import steps as building
from unconceal_lab.build.recipe import (
    ALONE,
    BLANKS,
    FAMILIES,
    GOLDS,
    GRADED,
    HELD_OUT_TASKS,
    TASKS,
    Recipe,
    Round,
    Training,
    alone_name,
    blank_name,
    gold_name,
)
from unconceal_lab.build.submissions import gold_release_name, release_name, submission_name
from unconceal_lab.build.steps import Step, build, steps
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.models.drawings import render
from unconceal_lab.unlearners import UNLEARNERS
from unconceal.miniature.scene import HELD_OUT, TARGETS

GOLD_NAMES = {gold_name(family, number): set(family) for family in FAMILIES for number in GOLDS}
BLANK_NAMES = {blank_name(number): {*TARGETS, *HELD_OUT} for number in BLANKS}
ALONE_NAMES = {alone_name(concept): {concept} for concept in ALONE}
GRADED_NAMES = {f"graded-{number}": shares for number, shares in enumerate(GRADED, 1)}
ORDER = [
    "tokenizer", "vae", "latents.pt", "softened.pt", "truth.pt", "resnet18.pt", "efficientnet_b0.pt", "densenet121.pt", "clip",
    "ancestor.pt", "base.pt", "shipped", "judge", "judge-gate.json",
    *(release_name(submission_name(unlearner), concept) for concept in (*TASKS, *HELD_OUT_TASKS) for unlearner in UNLEARNERS),
    *(f"{name}.pt" for name in GOLD_NAMES),
    *(gold_release_name(family, number) for family in FAMILIES for number in GOLDS),
    *(f"{name}.pt" for name in BLANK_NAMES),
    *(f"{name}.pt" for name in ALONE_NAMES),
    *(f"{name}.pt" for name in GRADED_NAMES),
    "gold-scratch.pt", "surrogate.pt", "gates.json",
]
TINY = Recipe(
    pictures=60, held_out=4, softened=20, vae=Training(2, 1, 2), truth=Training(1, 2, 4),
    extractors={"resnet18": Training(1, 3, 4, muon=0)}, clip=(Training(1, 4, 4), Training(1, 8, 4)), ancestor=Training(1, 5, 4),
    continuation=(Round(1), Round(1, rate=0.2, favour=1)), continuation_batch=4, compiled=False,
)


def test_steps_stand_in_their_order(tmp_path: Path) -> None:
    made = steps(BuildDir(tmp_path))
    assert [step.makes for step in made] == ORDER and sum(step.minutes for step in made) > 200


def noted(shop: BuildDir, monkeypatch: pytest.MonkeyPatch, fail: str = "") -> list[str]:
    """Replaces every step by one that only notes its name; ``fail`` stops the build there."""
    done: list[str] = []

    def step(name: str) -> Callable[[BuildDir], None]:
        def make(shop: BuildDir) -> None:
            if name == fail:
                raise KeyboardInterrupt
            done.append(name)
            shop.keep(name, 1, lambda path: path.write_text(name))

        return make

    monkeypatch.setattr(building, "steps", lambda shop: [Step(name, 1, step(name)) for name in ORDER])
    return done


def test_a_build_makes_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = BuildDir(tmp_path / "new")
    done = noted(shop, monkeypatch, fail="clip")
    with pytest.raises(KeyboardInterrupt):
        build(shop, scratch=True)
    assert done == ORDER[:8]
    done = noted(shop, monkeypatch)
    build(shop, scratch=True)
    assert done == ORDER[8:]
    build(shop, scratch=True)
    assert done == ORDER[8:]


def test_a_build_of_named_things_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = BuildDir(tmp_path)
    done = noted(shop, monkeypatch)
    build(shop, ("base.pt", "vae"), scratch=True)
    assert done == ["vae", "base.pt"]
    with pytest.raises(UsageError, match="--only bas: the build makes nothing of that name"):
        build(shop, ("base", "bas"), scratch=True)


def test_who_is_trained_on_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ancestor: no target; base: everything; gold: all but its concepts; graded: a share of theirs. All rounds have their own seeds."""
    shop = BuildDir(tmp_path, Recipe(pictures=300, continuation=(Round(), Round())))
    world, seen = shop.world, dict[str, tuple[set[str], int]]()
    counts: dict[str, Counter[str]] = {}

    class Nothing(torch.nn.Module):
        def __init__(self, *sizes: int) -> None:
            super().__init__()

    def train(name: str, *things: object, **options: object) -> float:
        _, _, pictures, _, rows, _, seed = things[:7]
        assert pictures is (other if name == "surrogate" else world)
        counts[name] = Counter(concept for row in rows for concept in pictures.scenes[row].concepts)  # type: ignore[attr-defined]
        seen[name] = set(counts[name]), seed  # type: ignore[assignment]
        return 0.0

    other = render(60, 5)
    monkeypatch.setattr("unconceal_lab.models.drawings.cached", lambda folder, count, seed: other if (count, seed) == (20_000, 5) else world)
    monkeypatch.setattr("unconceal_lab.models.autoencoder.encode", lambda vae, pictures: None)
    monkeypatch.setattr(BuildDir, "vae", None)
    monkeypatch.setattr(denoiser, "train", train)
    monkeypatch.setattr(denoiser, "Denoiser", Nothing)
    shop.__dict__.update(tokenizer=type("Words", (), {"__len__": lambda self: 9, "eos_token_id": 8})(), latents=None)
    for step in steps(shop):
        if step.makes.removesuffix(".pt") in (
            "ancestor",
            "base",
            "gold-scratch",
            "surrogate",
            *GOLD_NAMES,
            *BLANK_NAMES,
            *ALONE_NAMES,
            *GRADED_NAMES,
        ):
            step.make(shop)
    everything = {concept for scene in shop.world.scenes for concept in scene.concepts}
    assert {*TARGETS, *HELD_OUT} <= everything
    assert seen["ancestor"][0] == everything - {*TARGETS, *HELD_OUT} and seen["base"][0] == everything
    for name, unseen in {**GOLD_NAMES, **BLANK_NAMES, **ALONE_NAMES}.items():
        for called in (f"{name}-round-1", name):
            assert seen[called][0] == everything - unseen
    for name, shares in GRADED_NAMES.items():
        for concept, share in shares.items():
            assert (
                counts[name][concept] == max(1, round(share * counts["base"][concept])) and counts[name]["ring"] == counts["base"]["ring"]
            )
    assert seen["gold-scratch"][0] == everything - {next(iter(TASKS))}
    assert not seen["surrogate"][0] & {*TARGETS, *HELD_OUT}
    others = {seed for name, (_, seed) in seen.items() if not name.startswith("gold-alone")}
    assert len(others) == 3 + 2 * (1 + len(GOLD_NAMES) + len(BLANK_NAMES) + len(GRADED_NAMES)) == len(seen) - 2 * len(ALONE_NAMES)


@pytest.mark.slow
def test_the_whole_build_in_small(tmp_path: Path) -> None:
    """Every step for one or two training steps each, then found again by the workshop."""
    said: list[str] = []
    shop = BuildDir(tmp_path, replace(TINY))
    shop.progress = type("Told", (), {"stage": None, "say": lambda self, line: said.append(line)})()
    judges = ("truth", "resnet18", "clip")
    only = ("tokenizer", "vae", *judges, "ancestor", "base", "shipped", "gold-arrow-zigzag-1")
    build(shop, only, scratch=True)
    rounds = {"clip-round-1", "base-round-1.pt", "gold-arrow-zigzag-1-round-1.pt", "latents.pt", "softened.pt"}
    assert set(shop.minutes) == rounds | {step.makes for step in steps(shop) if step.makes.removesuffix(".pt") in only}
    assert shop.latents.shape == (60, 4, 16, 16) and shop.softened.shape == (20, 64, 64, 3) and shop.softened.dtype == torch.uint8
    base, gold = shop.denoiser("base"), shop.denoiser("gold-arrow-zigzag-1")
    assert any(not torch.equal(value, gold.state_dict()[name]) for name, value in base.state_dict().items())
    assert (tmp_path / "clip" / "tokenizer_config.json").exists() and not list(tmp_path.glob(".part*"))
    assert not list(tmp_path.glob("*.resume.pt")) and said[0].startswith("9 of 9 steps")
