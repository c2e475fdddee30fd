"""Converts records to rows of the published tables, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unconceal.ranking.paired_comparison import primary_per_prompt
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Record
from unconceal.specs.submission import Submission

Row = dict[str, Any]
PRESENCE = "presence"
SCORE = ("value", "low", "high", "n", "note")
IDENTITY = ("suite", "suite_version", "task", "submission", "protocol", "tier")


def result_row(row: ResultRow, table: ResultTable, rules: RankingRules) -> Row:
    """The row of one record, without its curves, battery, damage and attacks."""
    record, fields = row.record, json.loads(row.record.model_dump_json(exclude={"curves", "battery", "damage", "attacks"}))
    primary = record.scores.get(rules.primary)
    values = primary_per_prompt(row, table, rules)
    columns: Row = {
        **{name: fields[name] for name in (*IDENTITY, "code", "base_digest", "date", "schema_version", "digest")},
        "record_id": row.record_id,
        "verdict": record.verdict.label,
        "verdict_code": record.verdict.code,
        "verdict_reason": record.verdict.reason,
        "gold": record.verdict.gold,
        "inference": to_text(fields["inference"]),
        "verdict_by": list(record.verdict.by),
        "verdict_probes": list(record.verdict.probes),
        "verdict_unmeasured": to_named_list(record.verdict.unmeasured, "code"),
        "verification": record.verification.status,
        "verified_by": record.verification.by,
        "verified_on": record.verification.date,
        "verified_reason": record.verification.reason,
        "primary": rules.primary,
        **{end: getattr(primary, end) if primary else None for end in ("value", "low", "high", "n")},
        "per_prompt": [] if values is None else values.tolist(),
        "scores": to_named_list(fields["scores"]),
        "judges": to_named_list(fields["judges"], "digest"),
        "controls": to_named_list(fields["controls"], "digest"),
        "seeds": None if fields["seeds"] is None else to_named_list(fields["seeds"]),
        "checkpoint": fields["checkpoint"] | {name: to_named_list(fields["checkpoint"][name]) for name in ("components", "files")},
        "environment": fields["environment"] | {"packages": to_named_list(fields["environment"]["packages"], "version")},
        "timing": fields["timing"] | {"seconds": to_named_list(fields["timing"]["seconds"], "seconds")},
    }
    return columns | {"more": _extra_fields(fields, columns)}


def to_text(values: Row | None) -> str | None:
    """An object as JSON, where its keys differ from row to row."""
    return None if values is None else json.dumps(values, sort_keys=True, ensure_ascii=False)


def from_text(text: str | None) -> Row | None:
    """The inverse of :func:`to_text`."""
    return None if text is None else dict(json.loads(text))


def to_named_list(values: Mapping[str, Any], key: str | None = None) -> list[Row]:
    """``{"a": 1}`` as ``[{"name": "a", "value": 1}]``, because Arrow columns have fixed names."""
    return [{"name": name, **(value if key is None else {key: value})} for name, value in values.items()]


def from_named_list(rows: list[Row], key: str | None = None) -> Row:
    """The inverse of :func:`to_named_list`."""
    return {row["name"]: row[key] if key else {name: value for name, value in row.items() if name != "name"} for row in rows}


def _extra_fields(fields: Row, columns: Row) -> str:
    """Fields without a column, as JSON: a later record may have more fields than the schema."""
    with_column = {*columns, "verdict", "verification"}
    extra = {name: value for name, value in fields.items() if name not in with_column}
    return json.dumps(extra, sort_keys=True) if extra else ""


def curve_rows(record: Record) -> Iterator[Row]:
    """One row per curve."""
    identity = {name: getattr(record, name) for name in IDENTITY}
    for curve in record.curves:
        yield identity | curve.model_dump(mode="json")


def battery_rows(record: Record) -> Iterator[Row]:
    """One row per probe of the battery."""
    identity = {name: getattr(record, name) for name in IDENTITY}
    for probe, measurement in record.battery.items():
        yield identity | {"probe": probe} | measurement.model_dump(mode="json")


def damage_rows(record: Record) -> Iterator[Row]:
    """One row per retained concept, and one per neighbour and measure."""
    identity = {name: getattr(record, name) for name in IDENTITY}
    for concept, score in record.damage.items():
        yield identity | {"concept": concept, "measure": PRESENCE, "eligible": True, "similarity": []} | score.model_dump(mode="json")
    for neighbour in record.probe_results.neighbours if record.probe_results else ():
        fields = {"concept": neighbour.concept, "eligible": neighbour.eligible, "similarity": similarities(record, neighbour.concept)}
        for measure, score in neighbour.damage.items():
            yield identity | fields | {"measure": measure} | score.model_dump(mode="json")


def similarities(record: Record, concept: str) -> list[Row]:
    """Each ranker's similarity of a concept to the target."""
    rankers = record.probe_results.rankers if record.probe_results else ()
    return [{"name": ranker.name, "similarity": ranker.similarity[concept]} for ranker in rankers if concept in ranker.similarity]


def attack_rows(record: Record) -> Iterator[Row]:
    """One row per attack, and one per probe set and attribute."""
    identity = {name: getattr(record, name) for name in IDENTITY}
    for attack, score in record.attacks.items():
        yield identity | {"attack": attack} | score.model_dump(mode="json")
    for rate in record.probe_results.attack_rates if record.probe_results else ():
        gold = {"gold": rate.gold.value, "gold_low": rate.gold.low, "gold_high": rate.gold.high} if rate.gold else {}
        yield identity | {"probe_set": rate.probe_set, "attribute": rate.attribute} | rate.rate.model_dump(mode="json") | gold


def submission_row(submission: Submission) -> Row:
    """The row of one submission, without contact details."""
    names = ("suite", "title", "description", "method", "paper", "code", "license")
    dumped = {task: checkpoint.model_dump(mode="json") for task, checkpoint in submission.checkpoints.items()}
    checkpoints = [{"task": task, **fields, "inference": to_text(fields["inference"])} for task, fields in dumped.items()]
    fields = {name: getattr(submission, name) for name in names}
    return fields | {"submission": submission.name, "control": submission.is_control, "checkpoints": checkpoints}


def record_from_rows(
    result: Row, curves: Sequence[Row] = (), damage: Sequence[Row] = (), attacks: Sequence[Row] = (), battery: Sequence[Row] = ()
) -> Record:
    """The record of published rows, validated. With all its rows the digest matches.

    Args:
        result: its row in the table ``results``.
        curves: its rows in ``curves``.
        damage: its rows in ``damage``.
        attacks: its rows in ``attacks``.
        battery: its rows in ``battery``.

    Raises:
        ValidationError: the rows are not those of a record.
    """
    checkpoint, environment, timing = result["checkpoint"], result["environment"], result["timing"]
    fields: Row = {
        **{name: result[name] for name in (*IDENTITY, "code", "base_digest", "date", "schema_version", "digest")},
        "verdict": {
            "label": result["verdict"],
            "code": result["verdict_code"],
            "reason": result["verdict_reason"],
            "gold": result["gold"],
            "by": result["verdict_by"],
            "probes": result["verdict_probes"],
            "unmeasured": from_named_list(result["verdict_unmeasured"], "code"),
        },
        "inference": from_text(result["inference"]),
        "verification": {
            "status": result["verification"],
            "by": result["verified_by"],
            "date": result["verified_on"],
            "reason": result["verified_reason"],
        },
        "scores": from_named_list(result["scores"]),
        "judges": from_named_list(result["judges"], "digest"),
        "controls": from_named_list(result["controls"], "digest"),
        "seeds": None if result["seeds"] is None else from_named_list(result["seeds"]),
        "checkpoint": checkpoint | {name: from_named_list(checkpoint[name]) for name in ("components", "files")},
        "environment": environment | {"packages": from_named_list(environment["packages"], "version")},
        "timing": timing | {"seconds": from_named_list(timing["seconds"], "seconds")},
        "curves": [_without_identity(row) for row in curves],
        "battery": {row["probe"]: _without_identity(row, "probe") for row in battery},
        "damage": {row["concept"]: _score(row) for row in damage if row["measure"] == PRESENCE},
        "attacks": {row["attack"]: _score(row) for row in attacks if row["attack"] is not None},
    }
    return Record.model_validate(fields | json.loads(result["more"] or "{}"))


def _without_identity(row: Row, *others: str) -> Row:
    return {name: value for name, value in row.items() if name not in (*IDENTITY, *others)}


def _score(row: Row) -> Row:
    return {name: row[name] for name in SCORE}
