"""Records as evaluation logs of Inspect, read by ``inspect view`` and by inspect_ai's log API. Needs the extra ``inspect``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from unconceal.errors import EnvironmentFault
from unconceal.exports.every_eval_ever import presence_curves
from unconceal.leaderboard.labels import directed_score
from unconceal.results.result_tables import ResultTable
from unconceal.specs.record import Record

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample, EvalScore

UNKNOWN_DATE = "1970-01-01T00:00:00Z"
"""Of records that do not say when they were measured; the log must have a date."""
SCORER = "unconceal"


def inspect_logs(tables: Iterable[ResultTable]) -> Iterator[tuple[str, str]]:
    """Relative path and JSON text of a log per record, for all rows that are not withdrawn.

    Args:
        tables: the result tables.

    Raises:
        EnvironmentFault: inspect_ai is not installed.
    """
    try:
        import inspect_ai.log  # noqa: F401
    except ImportError as error:
        remedy = "pip install 'unconceal[inspect]'"
        raise EnvironmentFault(
            "environment.missing-package", "package inspect_ai", "is not installed, so no log can be written", remedy
        ) from error
    for table in tables:
        for row in table.rows:
            if row.record.verification.status != "withdrawn":
                record = row.record
                name = f"{table.suite_id}/{record.task}/{record.submission}.{record.protocol}-{record.tier}.json"
                yield name, inspect_log(record).model_dump_json(indent=2, exclude_none=True) + "\n"


def inspect_log(record: Record) -> EvalLog:
    """The log of one record: its scores as metrics, and a sample for each forget prompt with presence by arm and ψ."""
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalResults, EvalSpec

    samples = list(eval_samples(record))
    date = record.date or UNKNOWN_DATE
    verdict = {"verdict": record.verdict.title, "verdict_code": record.verdict.code, "verification": record.verification.status}
    return EvalLog(
        status="success",
        eval=EvalSpec(
            eval_id=record.digest[:22],
            run_id=record.measured_digest[:22],
            created=date,
            task=f"unconceal/{record.suite}-{record.suite_version}/{record.task}",
            task_id=record.checkpoint.task_digest[:22],
            task_version=record.suite_version,
            dataset=EvalDataset(name=record.task, samples=len(samples)),
            model=f"{record.suite}/{record.submission}",
            config=EvalConfig(),
            packages={"unconceal": record.code.version, **record.environment.packages},
            metadata={"record_digest": record.digest, "protocol": record.protocol, "tier": record.tier, **verdict},
        ),
        results=EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=[eval_score(record)]),
        samples=samples,
    )


def eval_score(record: Record) -> EvalScore:
    """Every score with a direction as a metric; interval, n and direction as its metadata."""
    from inspect_ai.log import EvalMetric, EvalScore

    metrics = {}
    for name, score in record.scores.items():
        label = directed_score(name)
        if label is not None and score.value is not None:
            metadata = {"low": score.low, "high": score.high, "n": score.n, "lower_is_better": label.direction == "↓"}
            metrics[name] = EvalMetric(name=name, value=score.value, metadata=metadata)
    return EvalScore(name="presence", scorer=SCORER, metrics=metrics)


def eval_samples(record: Record) -> Iterator[EvalSample]:
    """A sample for each forget prompt; its score is presence at ψ = 0, its metadata presence by arm and ψ."""
    from inspect_ai.log import EvalSample
    from inspect_ai.scorer import Score

    curves = presence_curves(record)
    for number in range(1, max((len(curve.per_prompt) for curve in curves), default=0) + 1):
        rows = {str(curve.arm): dict(zip(curve.psi, curve.per_prompt[number - 1], strict=True)) for curve in curves}
        presence = rows.get("prompt", {}).get(0.0)
        yield EvalSample(
            id=f"forget-{number}",
            epoch=1,
            input=f"{record.task}: forget prompt {number}",
            target="0",
            scores={"presence": Score(value=presence)} if presence is not None else {},
            metadata={"presence": {arm: {f"{psi:g}": value for psi, value in values.items()} for arm, values in rows.items()}},
        )
