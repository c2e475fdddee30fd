"""What ``unconceal tasks judge`` does: makes a suite's concept judge, measures its gate, and pins it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from unconceal.cli.options import echo_rows
from unconceal.errors import CheckFailed, EnvironmentFault, UsageError
from unconceal.estimate.forecast import workload_of
from unconceal.estimate.image_spec import image_spec_of
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.judge_images import JudgeImageGenerator, forward_passes_for, plan_block
from unconceal.evaluation.suite_models import verified_path
from unconceal.files import write_atomically
from unconceal.hub.pinned_models import pinned_digest
from unconceal.judges.concept_judge import Backbone, ConceptJudge, load_backbone
from unconceal.judges.judge_prompts import JudgePrompts, judge_prompts_of
from unconceal.judges.train_concept_judge import gate_json, held_out_accuracies, judge_gate, train_judge
from unconceal.paths import IN_PACKAGE, DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.fill_digests import fill_values
from unconceal.specs.judge_training import CLIP, JudgeGate, gate_path, read_gate
from unconceal.specs.loader import all_tasks, suite_file
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task


def judge_prompts(suite: Suite, tasks: Sequence[Task]) -> tuple[list[JudgePrompts], list[JudgePrompts]]:
    """What is drawn for training, and for the gate."""
    return judge_prompts_of(tasks, suite.judge_training, held_out=False), judge_prompts_of(tasks, suite.judge_training, held_out=True)


def tasks_of(root: DataRoot, suite: Suite) -> list[Task]:
    """The suite's tasks.

    Raises:
        UsageError: it has none.
    """
    tasks = [task for task in all_tasks(root) if task.suite == suite.name]
    if not tasks:
        raise UsageError("judge.no-task", f"suite {suite.id}", "has no task, so there is nothing to judge", "write its tasks first")
    return tasks


def echo_plan(evaluation: Evaluation, root: DataRoot) -> None:
    """What making the judge would take."""
    suite = evaluation.suite
    rows = []
    for split, prompts in zip(("train", "held out"), judge_prompts(suite, tasks_of(root, suite)), strict=True):
        shards = [shard for prompt in prompts for shard in plan_block(evaluation, prompt).trajectories]
        workload = workload_of(
            len(shards), [shard for shard in shards if shard not in evaluation.store], image_spec_of(suite, root)
        ).table_row
        rows.append({"split": split, "concepts": len({prompt.concept.label for prompt in prompts if prompt.concept}), **workload})
    echo_rows(rows, as_json=False)


def make(evaluation: Evaluation, root: DataRoot) -> None:
    """Draw, learn, measure, write, pin.

    Raises:
        CheckFailed: a task's concept did not pass the gate; judge and gate are written all the same.
        UsageError: the suite's judge belongs to the package, which other commands make.
    """
    suite = evaluation.suite
    if suite.judges.concept.path.startswith(IN_PACKAGE) or suite.judges.concept.repo is not None:
        remedy = "use `python -m unconceal_lab build`, or name a folder of the data root"
        raise UsageError("judge.outside-root", f"the judge of {suite.id}", "does not lie in the data root, so it is not made here", remedy)
    judge_path, tasks = resolve_path(suite.judges.concept.path, root), tasks_of(root, suite)
    training, held_out = judge_prompts(suite, tasks)
    checker, parts, digests = evaluation.suite_models.clip, *standing(evaluation)
    painter = JudgeImageGenerator(evaluation, forward_passes_for(evaluation, [*training, *held_out]))
    judge = train_judge(training, painter, parts, digests, checker, painter.noise_images(training[0].prompts), suite.judge_training)
    put_in_place(judge, judge_path)
    digest = path_digest(judge_path)
    gate = judge_gate(held_out_accuracies(judge, held_out, painter, checker), digest, suite.judge_training.min_balanced_accuracy)
    write_atomically(gate_path(judge_path), gate_json(gate).encode())
    fill_values(suite_file(root, suite.name), {("judges", "concept", "digest"): digest})
    click.echo(f"{judge_path}  {digest}")
    echo_gate(judge_path, tasks)


def standing(evaluation: Evaluation) -> tuple[dict[str, Backbone], dict[str, str]]:
    """What the judge is to stand on, loaded, and the digests of it."""
    suite, judges = evaluation.suite, evaluation.suite.judges
    pins = {**judges.extractors, CLIP: judges.clip}
    paths = {name: verified_path(pins[name], evaluation.root) for name in suite.judge_training.features or tuple(judges.extractors)}
    parts = {name: load_backbone(name, path, evaluation.device) for name, path in paths.items()}
    return parts, {name: pinned_digest(path) for name, path in paths.items()}


def put_in_place(judge: ConceptJudge, judge_path: Path) -> None:
    """The judge's folder, whole or not at all, in the place of an older one; an older gate is no longer true."""
    part = judge_path.with_name(f"{judge_path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    judge.save(part)
    gate_path(judge_path).unlink(missing_ok=True)
    shutil.rmtree(judge_path, ignore_errors=True)
    part.replace(judge_path)


def echo_gate(judge_path: Path, tasks: Sequence[Task]) -> None:
    """The gate as a table: every label that tasks ask for, their targets first.

    Raises:
        CheckFailed: a target fails.
        EnvironmentFault: there is no gate.
    """
    gate = read_gate(judge_path)
    if gate is None:
        raise EnvironmentFault(
            "judge.no-gate",
            str(gate_path(judge_path)),
            "does not exist, so the judge's gate was never measured",
            "train the judge with `unconceal tasks judge`",
        )
    targets = {(task.judge.head, task.judge.label) for task in tasks if task.detector is None}
    retained = {(prompt.head, prompt.concept) for task in tasks for prompt in task.retain if prompt.head and prompt.concept} - targets
    labels = [*((*target, "target") for target in sorted(targets)), *((*target, "retained") for target in sorted(retained))]
    echo_rows([_row(gate, head, label, kind) for head, label, kind in labels], as_json=False)
    failed = [label for head, label in sorted(targets) if gate.failure(head, label)]
    if failed:
        consequence = f"fails the gate of {gate.min_balanced_accuracy:.2f}, so its task is refused"
        raise CheckFailed(
            "judge.gate-failed",
            ", ".join(failed),
            consequence,
            "generate more images or use other features (`judge_training` in suite.yaml)",
        )


def _row(gate: JudgeGate, head: str, label: str, kind: str) -> dict[str, object]:
    label_gate = gate.labels.get(f"{head}/{label}")
    cells = {"kind": kind, "head": head, "label": label}
    if label_gate is None or label_gate.value is None:
        return {**cells, "balanced accuracy": "–", "images": 0, "gate": "FAIL" if kind == "target" else "not measured"}
    measured = {
        "balanced accuracy": f"{label_gate.value:.3f} [{label_gate.low:.3f}, {label_gate.high:.3f}]",
        "images": label_gate.positives,
    }
    # A badly judged retained concept weakens statements about damage; it refuses nothing.
    return {**cells, **measured, "gate": "pass" if gate.failure(head, label) is None else "FAIL" if kind == "target" else "below"}
