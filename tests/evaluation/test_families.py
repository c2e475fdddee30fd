"""`unconceal run` from end to end on every family: a checkpoint applied, handed over, judged and recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from codes import raises
from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import count_forward_passes
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.record import Record, read_record
from unconceal.specs.suite import FamilyName

PART: dict[FamilyName, str] = {"stable-diffusion-xl": "unet", "flux": "transformer"}


@pytest.fixture(scope="module", params=sorted(PART))
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[FamilyName, DataRoot]:
    family: FamilyName = request.param
    folder = tmp_path_factory.mktemp(family)
    root = tiny_root(folder, family)
    options = ["--root", str(folder), "--store", str(root.store), "--tier", "quick", "--threads", "1", "--device", "cpu"]
    completed = CliRunner().invoke(main, ["run", "esd-x", "control-original", "control-gold-1", *options])
    assert completed.exit_code == 0, completed.output
    return family, root


def record(root: DataRoot, name: str) -> Record:
    return read_record(root.results / "tiny-1" / "object" / "star" / f"{name}.standard-quick.json")


def test_the_checkpoint_was_applied(ran: tuple[FamilyName, DataRoot]) -> None:
    family, root = ran
    components = record(root, "esd-x").checkpoint.components
    assert set(components) == {PART[family]} and components[PART[family]].changed > 10


def test_the_original_handed_to_itself_is_the_original(ran: tuple[FamilyName, DataRoot]) -> None:
    curve = next(c for c in record(ran[1], "control-original").curves if (c.name, c.arm, c.split) == ("presence", "prompt", "forget"))
    assert len(set(curve.value)) == 1


def test_every_curve_is_there(ran: tuple[FamilyName, DataRoot]) -> None:
    result = {(curve.name, curve.split, curve.arm) for curve in record(ran[1], "esd-x").curves}
    assert {("presence", "forget", "prompt"), ("presence", "forget", "empty"), ("presence", "retain", "prompt")} <= result
    assert {("presence", "retain", "empty"), ("presence.original", "retain", "empty")} <= result


def test_the_rows_counted_are_the_rows_planned(ran: tuple[FamilyName, DataRoot]) -> None:
    """θ's trajectories were made by whoever ran first, so only θ*'s handovers are new here."""
    family, root = ran
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick")
    task, submission = load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x")
    plan = evaluation.plan(task, submission)
    assert {shard.family for shard in plan.shards} == {family}
    planned = sum(count_forward_passes(shard) for shard in plan.shards if not shard.is_originals)
    assert record(root, "esd-x").timing.forward_passes == planned


def test_a_shift_that_is_not_the_bases_is_refused(tmp_path: Path) -> None:
    root = tiny_root(tmp_path, "flux")
    suite = load_suite(root, "tiny")
    other = suite.model_copy(update={"sampler": suite.sampler.model_copy(update={"shift": 1.0})})
    with raises("schedule.mismatch"):
        Evaluation(other, root, "quick").models(load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x"))
