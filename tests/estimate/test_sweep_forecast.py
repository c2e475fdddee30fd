"""The cost of a sweep before it starts: by hand, and against the sweep itself."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal.estimate.sweep_forecast import forecast_sweep
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.run_sweep import read_axes, sweep
from unconceal.specs.loader import load_submission, load_suite, load_task

SWEEP = "num_inference_steps=4,8"
N_IMAGES = 20  # 10 prompts, 2 seeds
PASSES = {4: (4 + 3 + 2) * 3, 8: (8 + 6 + 4) * 3}
"""Forward passes per image after handovers at ψ = 0, .25 and .55: two per step in the prompt arm, one in the empty arm."""


def test_every_combination_is_counted_for_the_submission_and_its_golds(tmp_path: Path) -> None:
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick")
    task, submission = load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x")
    forecast = forecast_sweep(evaluation, [(task, submission)], read_axes([SWEEP]))
    assert list(forecast.tasks) == ["object/star, num_inference_steps 4", "object/star, num_inference_steps 8"]
    for (steps, passes), item in zip(PASSES.items(), forecast.tasks.values(), strict=True):
        assert item.shared.forward_passes == 2 * steps * N_IMAGES
        assert {name: workload.forward_passes for name, workload in item.submissions.items()} == dict.fromkeys(
            ("esd-x", "control-gold-1", "control-gold-2"), passes * N_IMAGES
        )
    sweep(evaluation, task, submission, read_axes([SWEEP]))
    after = forecast_sweep(evaluation, [(task, submission)], read_axes([SWEEP])).total
    assert (after.shards, after.forward_passes) == (forecast.total.shards, 0) and after.stored == after.shards > 0


def test_a_dry_run_of_a_sweep_prints_its_cost_and_writes_nothing(tmp_path: Path) -> None:
    root = tiny_root(tmp_path)
    arguments = ["esd-x", "--tier", "quick", "--sweep", SWEEP, "--dry-run", "--root", str(tmp_path), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(main, ["run", *arguments])
    assert done.exit_code == 0, done.output
    total = sum(2 * steps * N_IMAGES + 3 * passes * N_IMAGES for steps, passes in PASSES.items())
    assert f" {total} forward passes" in done.stdout
    assert not (tmp_path / "store").exists() and not list(root.results.rglob("*.json"))
