"""Weights that are not distributed with the repository are an outcome of their own, with a remedy that can be followed."""

from __future__ import annotations

from dataclasses import replace

from click.testing import CliRunner

from codes import raises
from unconceal.cli.main import main
from unconceal.hub.local_weights import require_weights
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.loader import load_submission
from unconceal_lab.build.steps import steps_for

ROOT = DataRoot.find(SOURCE_TREE)


def absent() -> tuple[str, str]:
    """A (submission, task) whose weights ``.gitignore`` leaves out and nobody built here."""
    submission = load_submission(ROOT, "miniature/uce")
    task = next(task for task, checkpoint in submission.checkpoints.items() if not (SOURCE_TREE / str(checkpoint.path)).exists())
    return submission.name, task


def test_absent_weights_name_the_step_that_builds_them() -> None:
    name, task = absent()
    submission = load_submission(ROOT, f"miniature/{name}")
    with raises("checkpoint.not-here") as caught:
        require_weights(submission, task, ROOT)
    assert f"--only {name}:{task}" in caught.value.remedy and steps_for(name, task)


def test_a_wheel_sends_to_a_clone() -> None:
    name, task = absent()
    with raises("checkpoint.not-here") as caught:
        require_weights(load_submission(ROOT, f"miniature/{name}"), task, replace(ROOT, read_only=True))
    assert "clone" in caught.value.remedy


def test_check_says_so_in_the_row_of_each_task() -> None:
    name, task = absent()
    done = CliRunner().invoke(main, ["submissions", "check", name, "--json", "--root", str(SOURCE_TREE)])
    assert done.exit_code == 3 and '"checkpoint.not-here"' in done.stdout and task in done.stdout
