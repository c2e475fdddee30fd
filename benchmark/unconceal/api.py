"""The Python API: evaluate submissions, and load specs and records by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unconceal.errors import UsageError
from unconceal.first_look.look_result import LookResult
from unconceal.paths import DataRoot
from unconceal.results import result_tables as results
from unconceal.specs import loader as specs
from unconceal.specs.record import Record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import RunTierName
from unconceal.specs.task import Category, Task

if TYPE_CHECKING:
    from unconceal.results.result_set import Results


def evaluate(task: str, submission: str, tier: RunTierName = "full", root: Path | None = None, threads: int | None = None) -> Record:
    """Evaluate one submission on one task; finished work is reused.

    Args:
        task: the task's id, ``object/star``.
        submission: the submission's name, ``esd-x``.
        tier: ``verdict``, ``quick``, ``full`` or ``audit``.
        root: the folder that holds tasks/, submissions/ and results/; see :class:`unconceal.paths.DataRoot`.
        threads: processor threads; all cores by default. Part of the identity of the images.

    Returns:
        The record with its verdict.

    Raises:
        UnconcealError: a spec, a checkpoint or the environment is at fault; the message is one line with a remedy.
    """
    from unconceal.evaluation.environment import usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.execution.scheduler import schedule

    data = DataRoot.find(root)
    loaded = specs.load_task(data, task)
    evaluation = Evaluation(specs.load_suite(data, loaded.suite), data, tier, threads=threads or usable_cores())
    return schedule(evaluation, [(loaded, specs.load_submission(data, f"{loaded.suite}/{submission}"))])[0]


def first_look(
    weights: str,
    base: str,
    concept: str,
    category: Category = "object",
    retain: Sequence[str] = (),
    gold: str | None = None,
    relearn: bool = False,
    page: Path | None = None,
    root: Path | None = None,
) -> LookResult:
    """Compare a checkpoint with its base over ψ in both arms, without specs and without a record: ``unconceal evaluate``.

    Args:
        weights: file or folder, or ``owner/name@revision[/file]`` on the Hub.
        base: a suite's name, a diffusers folder, or ``owner/name[@revision]``.
        concept: its name as a prompt has it.
        category: of the concept.
        retain: other concepts, which should stay; by default some of the category.
        gold: a model that never saw the concept.
        relearn: whether to train the checkpoint on images of the concept.
        page: where to write the HTML page.
        root: the folder that holds tasks/; see :class:`unconceal.paths.DataRoot`.

    Returns:
        Rates with their intervals, the judge's reliability, and notes on what limits them. No verdict.

    Raises:
        UnconcealError: something that was named cannot be found, loaded or compared.
    """
    from unconceal.files import write_atomically
    from unconceal.first_look.first_look import LookRequest, take_look
    from unconceal.first_look.look_page import look_page

    request = LookRequest(weights, base, concept, category, tuple(retain), gold, relearn=relearn)
    look = take_look(request, DataRoot.find(root))
    if page is not None:
        write_atomically(page, look_page(look).encode())
    return look.result


def load_task(task: str, root: Path | None = None) -> Task:
    """A task by its id, ``object/star``, or with its suite, ``miniature:object/star``.

    Args:
        task: name of the task.
        root: folder with tasks/, submissions/ and results/; None: see :meth:`unconceal.paths.DataRoot.find`.

    Returns:
        The validated task.

    Raises:
        UsageError: the task does not exist, or several suites have one of this name.
        SpecProblems: its file is invalid; all mistakes, each with its line.
    """
    return specs.load_task(DataRoot.find(root), task)


def load_submission(submission: str, root: Path | None = None) -> Submission:
    """A submission by its name, ``esd-x``, or with its suite, ``miniature/esd-x``.

    Args:
        submission: name of the submission.
        root: folder with tasks/, submissions/ and results/; None: see :meth:`unconceal.paths.DataRoot.find`.

    Returns:
        The validated submission.

    Raises:
        UsageError: the submission does not exist, or several suites have one of this name.
        SpecProblems: its file is invalid; all mistakes, each with its line.
    """
    return specs.load_submission(DataRoot.find(root), submission)


def load_results(
    suite: str | None = None,
    version: int | None = None,
    task: str | None = None,
    tier: str | None = None,
    source: str = "local",
    root: Path | None = None,
) -> Results:
    """The results of one version of each suite: the newest, or the given one. Versions are never mixed.

    Args:
        suite: name of the suite, ``miniature``; None: all suites.
        version: of the suite; None: the newest that has results.
        task: the task's id, ``object/star``; None: all tasks.
        tier: ``quick``, ``full`` or ``audit``; None: of each task the one that the leaderboard shows.
        source: ``"local"``: the records under results/; ``"hub:owner/name@tag"``: a published version on the Hub; else the folder of a
            published version.
        root: folder with tasks/, submissions/ and results/; None: see :meth:`unconceal.paths.DataRoot.find`. For ``"local"`` only.

    Returns:
        The records, each checked against its digest, as a sequence with ``to_pandas()`` and ``to_polars()``.

    Raises:
        UsageError: there are no such results, or the source is unknown.
        CheckFailed: a record is broken or was altered.
    """
    from unconceal.results.result_set import Results

    tables = _source_tables(suite, version, source, root)
    rows = [row.record for table in (results.select_tiers(tables) if tier is None else tables) for row in table.rows]
    selected = [record for record in rows if task in (None, record.task) and tier in (None, record.tier)]
    if not selected and (task, tier) != (None, None):
        value = ", ".join(f"{name} {value}" for name, value in (("task", task), ("tier", tier)) if value)
        raise UsageError("results.no-record", value, "has no results in this version", "see `unconceal leaderboard --print`")
    return Results(selected)


def _source_tables(suite: str | None, version: int | None, source: str, root: Path | None) -> tuple[results.ResultTable, ...]:
    """Every table of the selected versions."""
    if source == "local":
        folders = DataRoot.find(root).result_folders
        chosen = results.selected_versions(results.suite_versions(folders), suite, version)
        return tuple(table for pair in chosen for table in results.group_rows(results.load_records(folders, *pair)))
    from unconceal.publish.published_records import published_folder, published_versions, read_published_records

    folder = published_folder(source)
    chosen = results.selected_versions(published_versions(folder), suite, version)
    records = (record for pair in chosen for record in read_published_records(folder, *pair))
    return results.group_rows(results.ResultRow(record, record.path(folder)) for record in records)
