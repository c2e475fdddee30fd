"""Reads aggregate files of Every Eval Ever, the shared format of the EvalEval coalition, as reported scores.

Only what a reported score holds is read; other fields are passed over, as later minor versions add some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unconceal.errors import CheckFailed
from unconceal.files import read_regular_file
from unconceal.specs.json_budget import json_excess
from unconceal.specs.reported import Reported, ReportedScore, Source

SCHEMA_VERSIONS = ("0.2.", "0.3.")
MAX_BYTES = 16 * 2**20


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Interval(_Part):
    lower: float
    upper: float


class _Uncertainty(_Part):
    confidence_interval: _Interval | None = None
    num_samples: int | None = None


class _ScoreDetails(_Part):
    score: float
    uncertainty: _Uncertainty = _Uncertainty()


class _Metric(_Part):
    metric_name: str | None = None
    metric_id: str | None = None
    evaluation_description: str | None = None
    lower_is_better: bool


class _Result(_Part):
    evaluation_name: str
    metric_config: _Metric
    score_details: _ScoreDetails


class _Model(_Part):
    id: str


class _Aggregate(_Part):
    schema_version: str
    model_info: _Model
    evaluation_results: tuple[_Result, ...] = Field(min_length=1)


def import_scores(paths: Iterable[Path], source: Source) -> Reported:
    """The scores of aggregate files, in their order.

    Args:
        paths: the files, ``<uuid>.json``.
        source: where they are from.

    Returns:
        A reported source. Its scores are shown, and never ranked with measured ones.

    Raises:
        CheckFailed: a file is no aggregate file of a known version.
    """
    return Reported(source=source, scores=tuple(score for path in paths for score in _scores(path)))


def _scores(path: Path) -> Iterator[ReportedScore]:
    aggregate = _read_aggregate(path)
    for result in aggregate.evaluation_results:
        metric, details = result.metric_config, result.score_details
        interval = details.uncertainty.confidence_interval
        yield ReportedScore(
            model=aggregate.model_info.id,
            evaluation=result.evaluation_name,
            metric=metric.metric_name or metric.metric_id or metric.evaluation_description or "score",
            value=details.score,
            low=interval.lower if interval else None,
            high=interval.upper if interval else None,
            n=details.uncertainty.num_samples,
            lower_is_better=metric.lower_is_better,
        )


def _read_aggregate(path: Path) -> _Aggregate:
    remedy = "give aggregate files of Every Eval Ever 0.2 or 0.3, <uuid>.json, without the files of samples"
    try:
        content = read_regular_file(path, MAX_BYTES)
        if excess := json_excess(content):
            raise CheckFailed("import.unreadable", str(path), f"holds {excess}, so it is not read", remedy)
        aggregate = _Aggregate.model_validate_json(content)
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.errors(include_url=False)[0]["msg"]
        raise CheckFailed("import.unreadable", str(path), f"is no aggregate file ({reason})", remedy) from error
    if not aggregate.schema_version.startswith(SCHEMA_VERSIONS):
        raise CheckFailed("import.unknown-version", f"{path}: version {aggregate.schema_version}", "is not known here", remedy)
    return aggregate
