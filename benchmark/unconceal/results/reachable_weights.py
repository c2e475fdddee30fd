"""Whether the weights that new records name can be had: without them nobody can repeat a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unconceal.errors import UnconcealError
from unconceal.hub.allowed_files import checkpoint_digest
from unconceal.paths import DataRoot, resolve_path
from unconceal.results.result_tables import record_paths
from unconceal.specs.loader import load_submission, submission_files
from unconceal.specs.problems import Problem
from unconceal.specs.record import Record
from unconceal.specs.submission import Checkpoint

CODE = "record.weights-not-reachable"
ADD = "commit the weights (`git status --ignored` shows what git leaves out), or publish and pin them"


def unreachable_weights(root: DataRoot, accepted: Path) -> Iterator[Problem]:
    """Problems of new records whose weights are neither in the tree nor pinned on the Hub.

    Weights that the accepted tree does not distribute either, under the same digest, are reachable by their builder.

    Args:
        root: the data root with the contribution.
        accepted: the results folder before it, beside the accepted submissions.
    """
    for path in record_paths(root.results):
        if (accepted / path.relative_to(root.results)).is_file():
            continue
        try:
            record = Record.model_validate_json(path.read_bytes())
        except ValueError:
            continue  # Reported by `check_results`.
        checkpoint = _checkpoint(root, record)
        if checkpoint is None:
            value = f"submission {record.submission}"
            yield Problem(CODE, path, None, value, f"names no weights for {record.task}", "add its file under submissions/")
        elif (reason := _reason(checkpoint, record, root)) and _checkpoint(_beside(accepted), record) != checkpoint:
            yield Problem(CODE, path, None, f"checkpoint {checkpoint.path or checkpoint.repo}", reason, ADD)


def _beside(results: Path) -> DataRoot:
    folder = results.resolve().parent
    return DataRoot(folder / "tasks", folder / "submissions", results, results, read_only=True)


def _checkpoint(root: DataRoot, record: Record) -> Checkpoint | None:
    """The checkpoint of a record's submission for its task; None if there is none."""
    if (record.suite, record.submission) not in {(suite, name) for suite, name, _ in submission_files(root)}:
        return None
    try:
        return load_submission(root, f"{record.suite}/{record.submission}").checkpoints.get(record.task)
    except (UnconcealError, OSError):
        return None


def _reason(checkpoint: Checkpoint, record: Record, root: DataRoot) -> str | None:
    """Why a checkpoint cannot be had; None if it can."""
    if checkpoint.repo is not None:
        return "is not pinned to a commit, so the name may mean other weights tomorrow" if checkpoint.is_draft else None
    if checkpoint.path is None:
        return None
    path = resolve_path(checkpoint.path, root)
    if not path.exists():
        return "is not in the tree, so nobody can repeat the measurement"
    if record.checkpoint.sha256 is not None and checkpoint_digest(path) != record.checkpoint.sha256:
        return "holds other weights than those that were measured"
    return None
