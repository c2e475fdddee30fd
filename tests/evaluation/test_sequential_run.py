"""The sequential tier on random weights: what it generates, records and refuses, and that its records can be recomputed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from codes import raises
from evaluation.tiny import tiny_root
from unconceal.errors import CheckFailed
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.suite_models import SuiteModels
from unconceal.execution.scheduler import schedule
from unconceal.generate.generator import Generator
from unconceal.generate.identity import Shard
from unconceal.generate.image_cache import Pixels
from unconceal.generate.store import Arrays
from unconceal.paths import DataRoot
from unconceal.results.recomputation import disagreements
from unconceal.results.result_tables import load_newest_tables
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.record import Record, read_record
from unconceal.specs.suite import RunTierName, Suite

TIERS = """\
battery: {min_informative: 0, relearning: {steps: [0, 1], n_examples: 4, batch_size: 2, images_per_prompt: 1}}
scores: {min_prompts: 4, margin: 0.5, excess_psi: [0.25, 0.55]}
sequential: {looks: [4, 7], psi: [0.25, 0.55], retain_psi: 0.55}
tiers:
  full:
    psi: [0, 0.25, 0.55, 1]
    retain_psi: [0, 0.55, 1]
    seeds: {train: 1, reference: 2, evaluation: 2, retain: 1}
    extractors: [resnet18]
    probes: [relearning]
"""
TASK = "tiny:object/star"


class OriginalsOnly:
    """A judge that sees the concept in θ's images, byte by byte, and nowhere else."""

    originals: ClassVar[set[bytes]] = set()

    def shows(self, pixels: Pixels, head: str, label: str) -> NDArray[np.bool_]:
        return np.array([image.tobytes() in self.originals for image in pixels])


def with_originals(read: Callable[[Generator, Shard], Arrays]) -> Callable[[Generator, Shard], Arrays]:
    """The reader of θ's shards, which also tells the judge what θ generates."""

    def trajectory(self: Generator, shard: Shard) -> Arrays:
        arrays = read(self, shard)
        OriginalsOnly.originals |= {image.tobytes() for image in arrays["original"]}
        return arrays

    return trajectory


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    root = tiny_root(tmp_path_factory.mktemp("sequential"))
    path = root.tasks / "tiny" / "suite.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("tiers:\n", TIERS), encoding="utf-8")
    return root


@pytest.fixture(scope="module", autouse=True)
def judge() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SuiteModels, "judge_for", lambda models, task: OriginalsOnly())
        patch.setattr(Generator, "trajectory", with_originals(Generator.trajectory))
        yield


def evaluation_of(root: DataRoot, tier: RunTierName, suite: Suite | None = None) -> Evaluation:
    return Evaluation(suite or load_suite(root, "tiny"), root, tier, shard_size=8)


def run(root: DataRoot, tier: RunTierName, *names: str) -> list[Record]:
    task = load_task(root, TASK)
    return schedule(evaluation_of(root, tier), [(task, load_submission(root, f"tiny/{name}")) for name in names])


def test_a_run_without_gold_records_is_refused_before_anything_is_generated(root: DataRoot) -> None:
    with raises("sequential.no-gold"):
        run(root, "verdict", "esd-x")
    assert not (root.store / "models").exists()


@pytest.fixture(scope="module")
def golds(root: DataRoot) -> list[Record]:
    return run(root, "full", "control-gold-1", "control-gold-2")


@pytest.fixture(scope="module")
def stopped(root: DataRoot, golds: list[Record]) -> Record:
    return run(root, "verdict", "esd-x")[0]


def test_the_record_says_where_it_stopped_and_why(root: DataRoot, stopped: Record) -> None:
    assert stopped.stopping is not None
    assert stopped.stopping.looks == (4, 7, 10)
    n = stopped.stopping.looks[stopped.stopping.look - 1]
    assert len(stopped.stopping.prompts) == n == len(set(stopped.stopping.prompts))
    assert stopped.verdict.label == "forgets" and stopped.stopping.reason == "decided"
    assert {curve.n for curve in stopped.curves if curve.split == "forget"} == {n}
    assert len(stopped.battery["relearning"].per_prompt) == stopped.stopping.held_out_prompts
    assert not any(name.startswith(("crs", "ccs", "auc")) for name in stopped.scores), "no classifier is trained"
    assert read_record(stopped.path(root.results)) == stopped


def test_a_stopped_record_is_recomputed_from_its_own_answers(root: DataRoot, golds: list[Record], stopped: Record) -> None:
    suite, task = load_suite(root, "tiny"), load_task(root, TASK)
    assert compute_verdict(stopped, golds, suite, task) == stopped
    assert list(disagreements(stopped, golds, suite, task)) == []
    assert stopped.stopping is not None
    earlier = stopped.stopping.model_copy(update={"reason": "prompts used up"})
    assert list(disagreements(stopped.model_copy(update={"stopping": earlier}), golds, suite, task))


def test_only_the_sequential_tier_stops(root: DataRoot, stopped: Record, golds: list[Record]) -> None:
    """A stopped record under the name of the full tier would be ranked with few prompts."""
    disguised = stopped.model_copy(update={"tier": "full"}).sealed()
    path = root.results / "disguised.json"
    path.write_text(disguised.model_dump_json(), encoding="utf-8")
    with raises("record.invalid"):
        read_record(path)
    path.unlink()


def test_stopped_rows_are_never_ranked(root: DataRoot, stopped: Record) -> None:
    assert {table.tier for table in load_newest_tables([root.results])} == {"full"}


def test_a_repeated_run_generates_nothing(root: DataRoot, stopped: Record) -> None:
    """Without its record it is measured again from stored images."""
    stopped.path(root.results).unlink()
    again = run(root, "verdict", "esd-x")[0]
    assert again.timing.forward_passes == 0
    assert again.digest == stopped.digest


def test_a_full_run_after_it_finds_the_images_of_the_original(root: DataRoot, stopped: Record) -> None:
    evaluation, task = evaluation_of(root, "full"), load_task(root, TASK)
    plan = evaluation.plan(task, load_submission(root, "tiny/esd-x"))
    assert all(shard in evaluation.store for shard in plan.evaluation.trajectories)
    assert run(root, "full", "esd-x")[0].verdict.label == stopped.verdict.label


def test_the_original_is_intact(root: DataRoot, golds: list[Record]) -> None:
    record = run(root, "verdict", "control-original")[0]
    assert (record.verdict.label, record.battery) == ("intact", {})


def changed(root: DataRoot, **settings: object) -> Suite:
    suite = load_suite(root, "tiny")
    assert suite.sequential is not None
    return suite.model_copy(update={"sequential": suite.sequential.model_copy(update=settings)})


@pytest.mark.parametrize(
    ("settings", "code"), [({"looks": (12,)}, "sequential.too-few-prompts"), ({"psi": (0.3, 0.4)}, "sequential.other-grid")]
)
def test_what_cannot_be_measured_sequentially_is_one_line(root: DataRoot, settings: dict[str, object], code: str) -> None:
    pair = (load_task(root, TASK), load_submission(root, "tiny/esd-x"))
    with raises(code):
        schedule(evaluation_of(root, "verdict", changed(root, **settings)), [pair])


def test_a_suite_may_have_no_sequential_tier(root: DataRoot) -> None:
    without = load_suite(root, "tiny").model_copy(update={"sequential": None})
    with raises("suite.unknown-tier"):
        evaluation_of(root, "verdict", without)


def test_defaults_of_the_sequential_tier_are_in_no_digest(tmp_path: Path) -> None:
    """A suite that says nothing of it keeps the digest that its records carry."""
    root = tiny_root(tmp_path)
    assert "sequential" not in load_suite(root, "tiny").content()


def test_a_record_that_stopped_elsewhere_than_its_answers_say_is_refused(root: DataRoot, golds: list[Record], stopped: Record) -> None:
    assert stopped.stopping is not None
    other = stopped.stopping.model_copy(update={"prompts": tuple(reversed(stopped.stopping.prompts))})
    with pytest.raises(ValueError, match="order"):
        compute_verdict(stopped.model_copy(update={"stopping": other}), golds, load_suite(root, "tiny"), load_task(root, TASK))
    with pytest.raises(CheckFailed):
        compute_verdict(stopped, [], load_suite(root, "tiny"), load_task(root, TASK))
