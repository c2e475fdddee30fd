"""A sweep on random weights: one record, each cell against an evaluation of its own, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from codes import printed_codes, raises
from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal.errors import UsageError
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.run_sweep import read_axes, samplers, sweep
from unconceal.execution.scheduler import schedule
from unconceal.metrics.presence import excess_retrieval
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.sweep import Sweep, SweepCell, read_sweep, sweep_path

AXES = ("num_inference_steps=2,4", "guidance_scale=1,5")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def evaluation(root: DataRoot) -> Evaluation:
    return Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)


@pytest.fixture(scope="module")
def result(root: DataRoot, evaluation: Evaluation) -> Sweep:
    return sweep(evaluation, load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x"), read_axes(AXES))


def test_every_configuration_is_a_cell(result: Sweep) -> None:
    assert [cell.sampler for cell in result.cells] == [
        {"num_inference_steps": steps, "guidance_scale": guidance} for steps in (2, 4) for guidance in (1.0, 5.0)
    ]
    assert set(result.golds) == {"control-gold-1", "control-gold-2"} and all(result.golds.values())


def test_the_suites_own_sampler_gives_the_evaluations_own_numbers(root: DataRoot, evaluation: Evaluation, result: Sweep) -> None:
    task, names = load_task(root, "tiny:object/star"), ("esd-x", "control-gold-1", "control-gold-2")
    by_name = {item.submission: item for item in schedule(evaluation, [(task, load_submission(root, f"tiny/{name}")) for name in names])}
    curves = {
        (name, c.arm): np.array(c.per_prompt, float)
        for name, item in by_name.items()
        for c in item.curves
        if (c.name, c.split) == ("presence", "forget")
    }
    cell = result.cells[-1]
    assert cell.sampler == {"num_inference_steps": 4, "guidance_scale": 5.0}
    assert cell.presence.value == pytest.approx(curves["esd-x", "prompt"][:, 0].mean())
    original = curves["esd-x", "prompt"][:, -1].mean()
    assert cell.original.value == pytest.approx(original)
    if original > 0:
        for arm in ("prompt", "empty"):
            others = np.stack([curves[f"control-gold-{n}", arm] for n in (1, 2)])
            beyond = excess_retrieval(
                evaluation.tier.psi, curves["esd-x", arm], others, float(original), evaluation.suite.scores.excess_psi
            )
            assert cell.excess[arm].value == pytest.approx(beyond.mean())


def test_the_record_on_disk_is_the_one_returned(root: DataRoot, result: Sweep) -> None:
    path = sweep_path(root.results, "tiny-1", "object/star", "esd-x", "quick")
    assert read_sweep(path) == result
    path.write_text(path.read_text().replace('"tier": "quick"', '"tier": "full"'))
    with raises("sweep.altered"):
        read_sweep(path)


def test_the_most_telling_cell(result: Sweep) -> None:
    def cell(steps: int, value: float) -> SweepCell:
        score = result.cells[0].presence.model_copy(update={"value": value})
        return result.cells[0].model_copy(update={"sampler": {"num_inference_steps": steps}, "retrieval": {"prompt": score}, "excess": {}})

    swept = result.model_copy(update={"cells": (cell(1, 0.2), cell(2, 0.7), cell(3, 0.5))})
    assert swept.strongest_cell.sampler == {"num_inference_steps": 2}


@pytest.mark.parametrize(
    "options",
    [
        ("speed=1",),
        ("num_inference_steps",),
        ("num_inference_steps=",),
        ("num_inference_steps=2", "num_inference_steps=3"),
        ("num_inference_steps=two",),
        ("guidance_scale=a,b",),
    ],
)
def test_axes_that_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as failed:
        read_axes(options)
    assert failed.value.code in ("sweep.bad-axis", "sweep.not-a-number")


@pytest.mark.parametrize("scheduler", ["dpm", "flow-euler", "pndm", "euler-ancestral"])
def test_solvers_that_cannot_hand_over(evaluation: Evaluation, scheduler: str) -> None:
    with pytest.raises(UsageError) as failed:
        list(samplers(evaluation.suite.sampler, read_axes([f"scheduler={scheduler}"])))
    assert failed.value.code == "sweep.unknown-scheduler"
    assert all(name in failed.value.remedy for name in ("ddim", "euler", "dpmpp-2m"))


@pytest.mark.parametrize("option", ["num_inference_steps=0", "guidance_scale=-1"])
def test_values_that_no_sampler_has(evaluation: Evaluation, option: str) -> None:
    with pytest.raises(UsageError) as failed:
        list(samplers(evaluation.suite.sampler, read_axes([option])))
    assert failed.value.code == "sweep.bad-sampler"


REFUSED = {
    "num_inference_steps=1001": "sampler.too-many-steps",
    "num_inference_steps=0": "sweep.bad-sampler",
    "num_inference_steps=3.5": "sweep.not-a-number",
    "guidance_scale=5,-1": "sweep.bad-sampler",
    "guidance_scale=nan": "sweep.bad-sampler",
    "guidance_scale=1e9": "sweep.bad-sampler",
    "scheduler=ddim,pndm": "sweep.unknown-scheduler",
    "steps=25": "sweep.bad-axis",
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_a_run_refuses_a_dry_run_refuses_alike(root: DataRoot, tmp_path: Path, option: str) -> None:
    """Before anything is generated, also where only the second combination is wrong."""
    store = ["--store", str(tmp_path / "store"), "--results", str(tmp_path / "results")]
    options = ["--root", str(root.tasks.parent), *store, "--threads", "1", "--device", "cpu", "--tier", "quick", "--sweep", option]
    for further in ([], ["--dry-run"]):
        completed = CliRunner().invoke(main, ["run", "esd-x", *options, *further])
        assert (completed.exit_code, printed_codes(completed.stderr)) == (2, [REFUSED[option]]), completed.output
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_sweep_measures_nothing_twice(root: DataRoot, evaluation: Evaluation, result: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unconceal.generate.generator.run_original", lambda *_: pytest.fail("generated again"))
    again = sweep(replace(evaluation), load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x"), read_axes(AXES))
    assert again.digest == result.digest


def test_the_command_prints_a_table_and_draws_a_map(root: DataRoot, result: Sweep) -> None:
    folder = root.tasks.parent
    options = ["--root", str(folder), "--store", str(root.store), "--threads", "1", "--device", "cpu", "--tier", "quick"]
    axes = ["--sweep", "num_inference_steps=2,4", "--sweep", "scheduler=ddim,euler,dpmpp-2m"]
    completed = CliRunner().invoke(main, ["run", "esd-x", *options, *axes])
    assert completed.exit_code == 0, completed.output
    assert "num_inference_steps" in completed.stdout and "P(0)" in completed.stdout
    picture: Path = sweep_path(root.results, "tiny-1", "object/star", "esd-x", "quick").with_suffix(".png")
    with Image.open(picture) as image:
        assert image.size[0] > 200 and len(image.convert("RGB").getcolors(1 << 20) or ()) > 20
