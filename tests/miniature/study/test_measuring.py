from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from unconceal.miniature.building.workshop import Workshop
from unconceal.miniature.study import measuring
from unconceal.miniature.study.measuring import GRID, PROMPTS, Study, claimed, run, suite_of
from unconceal.miniature.study.population import Member, members
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.reading import load_suite


@pytest.fixture
def study(tmp_path: Path) -> Study:
    data = replace(DataRoot.find(SOURCE_TREE), store=tmp_path / "store")
    return Study.of(Workshop(tmp_path), data, load_suite(data, "miniature"))


def test_the_studys_tier_is_the_suites_but_for_its_counts() -> None:
    published = load_suite(DataRoot.find(SOURCE_TREE), "miniature")
    suite = suite_of(published)
    tier = suite.tiers["full"]
    assert suite.version == published.version + 1 and tier.psi == GRID and tier.prompts == PROMPTS and not list(suite.mistakes())
    assert suite.sampler == published.sampler and suite.scores == published.scores and suite.judges == published.judges
    assert set(GRID) >= {0.0, 0.1, 0.6, 1.0}


def test_members_are_submissions_of_the_studys_own_root(study: Study, tmp_path: Path) -> None:
    for member in members():
        made = study.submission(member)
        checkpoint = made.checkpoints[member.task]
        assert study.task(member).id == member.task and (checkpoint.path is None) == (member.make is None)
        if checkpoint.path:
            assert tmp_path / "study" / checkpoint.path == member.place(study.folder)
    assert study.record(members()[0]) is None and study.learnings(members()[0]) is None


def test_what_is_left_is_planned_and_measured_once(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, done = [Member("star", f"m-{i}", "method", lambda shop: {}) for i in range(3)], list[str]()

    def measure(self: Study, member: Member) -> None:
        assert not [path for path in (study.folder / "claims").iterdir() if member.name not in path.name]
        done.append(member.name)

    monkeypatch.setattr(Study, "measure", measure)
    monkeypatch.setattr(Study, "left", lambda self, wanted: [(member, 1.0) for member in wanted if member.name not in done])
    run(study, wanted)
    run(study, wanted)
    assert done == ["m-0", "m-1", "m-2"] and not list((study.folder / "claims").iterdir())


def test_minutes_are_those_of_what_is_missing(study: Study) -> None:
    made, original = Member("star", "m", "method", lambda shop: {}), Member("star", "control-original", "original")
    ((_, minutes), (_, less)) = study.left([made, original])
    assert minutes == measuring.MAKING + measuring.MEASURING + measuring.RELEARNING and less == minutes - measuring.MAKING
    place = made.place(study.folder)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x")
    assert study.left([made])[0][1] == less


def test_work_is_claimed_by_one_living_process(tmp_path: Path) -> None:
    with claimed(tmp_path / "claims", "a") as mine, claimed(tmp_path / "claims", "a") as again, claimed(tmp_path / "claims", "b") as other:
        assert mine and not again and other
    assert not list((tmp_path / "claims").iterdir())
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / "claims" / "a").write_text(str(child))
    with claimed(tmp_path / "claims", "a") as mine:
        assert mine, "its holder is dead"
