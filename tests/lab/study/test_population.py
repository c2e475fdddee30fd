from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file

from unconceal.specs.submission import Submission
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import ALONE, BLANKS, FAMILIES, GOLDS, HELD_OUT_TASKS, TASKS, family_stem
from unconceal_lab.build.submissions import DESTROYED
from unconceal_lab.study.population import METHODS, Member, members, unrelated_to, write_weights
from unconceal_lab.unlearners import UNLEARNERS


def test_every_model_has_one_name_on_its_task() -> None:
    result = members()
    assert len({(member.task, member.name) for member in result}) == len(result)
    assert {member.concept for member in result} == {*TASKS, *HELD_OUT_TASKS} and {m.concept for m in result if m.held_out} == set(
        HELD_OUT_TASKS
    )
    for member in result:
        Submission(name=member.name, suite="miniature", title="x", description="x", checkpoints={member.task: {"format": "original"}})


def test_enough_models_are_known_by_construction() -> None:
    """A false-verdict rate of at most 5 % can be shown with 75 models, not with 18."""
    known_values = Counter(member.kind for member in members() if member.kind in ("gold", "decoupled", "damaged"))
    assert known_values["gold"] == len(GOLDS) * len({*TASKS, *HELD_OUT_TASKS}) and sum(known_values.values()) >= 75
    assert {member.truth for member in members()} == {"intact", "forgets", "conceals", "damaged", None}


def test_words_are_cut_off_to_nothing_only_where_nothing_is_not_the_concept() -> None:
    result = {member.concept for member in members() if member.name.startswith("decouple-to-nothing")}
    assert result == {concept for concept, kind in {**TASKS, **HELD_OUT_TASKS}.items() if kind in ("object", "art-style")}
    assert {member.concept for member in members() if member.name.startswith("decouple-to-other")} == {*TASKS, *HELD_OUT_TASKS}


def test_every_unlearner_is_there() -> None:
    assert set(METHODS) | set(DESTROYED) >= set(UNLEARNERS) - {"decouple-to-nothing", "decouple-to-other"}
    names = {member.name.rpartition("-")[0] for member in members() if member.kind == "method"}
    assert names == set(METHODS)


def test_the_graded_series_runs_from_nothing_to_everything() -> None:
    for concept in ("star", "zara"):
        series = sorted(member.share for member in members() if member.concept == concept and member.share is not None)
        assert {0.0, 0.001, 0.01, 0.1, 1.0} == set(series)
        above = [member for member in members() if member.concept == concept and member.name.endswith("-decoupled")]
        assert sorted(member.share or 0 for member in above) == [0, 0.001, 0.01, 0.1]


def test_what_is_unrelated_is_of_another_kind() -> None:
    every = {**TASKS, **HELD_OUT_TASKS}
    for concept in every:
        assert every[unrelated_to(concept)] != every[concept]


def test_identical_members_share_weights(tmp_path: Path) -> None:
    places = Counter(member.weights_path(tmp_path) for member in members() if member.build_weights)
    shared = {path.relative_to(tmp_path / "submissions/miniature/weights").as_posix(): n for path, n in places.items() if n > 1}
    golds = {f"control-gold-{number}/{family_stem(family)}.safetensors": len(family) for family in FAMILIES for number in GOLDS}
    golds |= {f"blank-{number}.safetensors": len({*TASKS, *HELD_OUT_TASKS}) for number in BLANKS}
    assert shared.items() >= golds.items() and set(shared) - set(golds) == {"esd-x-7/star.safetensors", "esd-x-7/striped.safetensors"}
    assert {member.concept for member in members() if member.kind == "alone"} == set(ALONE)
    assert {member.full_model for member in members() if member.kind == "surrogate"} == {None, "ancestor", "surrogate", "gold-scratch"}


def test_weights_are_made_once(tmp_path: Path) -> None:
    created: list[str] = []

    def make(shop: BuildDir) -> dict[str, torch.Tensor]:
        created.append("once")
        return {"unet.a": torch.ones(2)}

    shop, member = BuildDir(tmp_path), Member("hazard sign", "uce-1", "method", make)
    for _ in range(2):
        write_weights(shop, member, tmp_path)
    weights = tmp_path / "submissions/miniature/weights/uce-1/hazard-sign.safetensors"
    assert created == ["once"] and torch.equal(load_file(weights)["unet.a"], torch.ones(2)) and member.task == "nsfw/hazard-sign"
    write_weights(shop, Member("star", "control-original", "original"), tmp_path)
    assert [path.name for path in weights.parent.parent.iterdir()] == ["uce-1"]
