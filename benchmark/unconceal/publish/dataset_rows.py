"""From records to the rows of the published tables, and back."""

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


def result_row(row: ResultRow, board: ResultTable, rules: RankingRules) -> Row:
    """One record without its curves, damage and attacks."""
    record, said = row.record, json.loads(row.record.model_dump_json(exclude={"curves", "damage", "attacks"}))
    primary = record.scores.get(rules.primary)
    values = primary_per_prompt(row, board, rules)
    columns: Row = {
        **{name: said[name] for name in (*IDENTITY, "code", "base_digest", "date", "schema_version", "digest")},
        "verdict": record.verdict.label,
        "verdict_reason": record.verdict.reason,
        "gold": record.verdict.gold,
        "verification": record.verification.status,
        "verified_by": record.verification.by,
        "verified_on": record.verification.date,
        "verified_reason": record.verification.reason,
        "primary": rules.primary,
        **{end: getattr(primary, end) if primary else None for end in ("value", "low", "high", "n")},
        "per_prompt": [] if values is None else values.tolist(),
        "scores": named(said["scores"]),
        "judges": named(said["judges"], "digest"),
        "controls": named(said["controls"], "digest"),
        "seeds": None if said["seeds"] is None else named(said["seeds"]),
        "checkpoint": said["checkpoint"] | {"components": named(said["checkpoint"]["components"])},
        "environment": said["environment"] | {"packages": named(said["environment"]["packages"], "version")},
        "timing": said["timing"] | {"seconds": named(said["timing"]["seconds"], "seconds")},
    }
    return columns | {"more": _beyond(said, columns)}


def named(values: Mapping[str, Any], as_what: str | None = None) -> list[Row]:
    """``{"a": 1}`` as ``[{"name": "a", "value": 1}]``: Arrow has no columns for names that are data."""
    return [{"name": name, **(value if as_what is None else {as_what: value})} for name, value in values.items()]


def unnamed(rows: list[Row], as_what: str | None = None) -> Row:
    """The reverse of :func:`named`."""
    return {row["name"]: row[as_what] if as_what else {key: value for key, value in row.items() if key != "name"} for row in rows}


def _beyond(said: Row, columns: Row) -> str:
    """Fields that no column holds, as JSON: a record says more tomorrow than a schema knows today."""
    known = {*columns, "verdict", "verification"}
    beyond = {name: value for name, value in said.items() if name not in known}
    return json.dumps(beyond, sort_keys=True) if beyond else ""


def curve_rows(record: Record) -> Iterator[Row]:
    """One row a curve."""
    identity = {name: getattr(record, name) for name in IDENTITY}
    for curve in record.curves:
        yield identity | curve.model_dump(mode="json")


def damage_rows(record: Record) -> Iterator[Row]:
    """One row a retained concept, and one a neighbour and measure."""
    identity = {name: getattr(record, name) for name in IDENTITY}
    for concept, score in record.damage.items():
        yield identity | {"concept": concept, "measure": PRESENCE, "eligible": True, "similarity": []} | score.model_dump(mode="json")
    for neighbour in record.probe_results.neighbours if record.probe_results else ():
        about = {"concept": neighbour.concept, "eligible": neighbour.eligible, "similarity": similarities(record, neighbour.concept)}
        for measure, score in neighbour.damage.items():
            yield identity | about | {"measure": measure} | score.model_dump(mode="json")


def similarities(record: Record, concept: str) -> list[Row]:
    """How near to the target each orderer says that a concept is."""
    orderers = record.probe_results.rankers if record.probe_results else ()
    return [{"name": one.name, "similarity": one.similarity[concept]} for one in orderers if concept in one.similarity]


def attack_rows(record: Record) -> Iterator[Row]:
    """One row an attack, and one a probe set and attribute."""
    identity = {name: getattr(record, name) for name in IDENTITY}
    for attack, score in record.attacks.items():
        yield identity | {"attack": attack} | score.model_dump(mode="json")
    for rate in record.probe_results.attack_rates if record.probe_results else ():
        gold = {"gold": rate.gold.value, "gold_low": rate.gold.low, "gold_high": rate.gold.high} if rate.gold else {}
        yield identity | {"probe_set": rate.probe_set, "attribute": rate.attribute} | rate.rate.model_dump(mode="json") | gold


def submission_row(submission: Submission) -> Row:
    """One method; who to write to stays with its file."""
    fields = ("suite", "title", "description", "method", "paper", "code", "license")
    checkpoints = [{"task": task, **checkpoint.model_dump(mode="json")} for task, checkpoint in submission.checkpoints.items()]
    about = {name: getattr(submission, name) for name in fields}
    return about | {"submission": submission.name, "control": submission.is_control, "checkpoints": checkpoints}


def record_of(result: Row, curves: Sequence[Row] = (), damage: Sequence[Row] = (), attacks: Sequence[Row] = ()) -> Record:
    """The record that rows are of. With all of them its digest holds again; validated anew.

    Raises:
        ValidationError: the rows are of no record.
    """
    checkpoint, environment, timing = result["checkpoint"], result["environment"], result["timing"]
    fields: Row = {
        **{name: result[name] for name in (*IDENTITY, "code", "base_digest", "date", "schema_version", "digest")},
        "verdict": {"label": result["verdict"], "reason": result["verdict_reason"], "gold": result["gold"]},
        "verification": {
            "status": result["verification"],
            "by": result["verified_by"],
            "date": result["verified_on"],
            "reason": result["verified_reason"],
        },
        "scores": unnamed(result["scores"]),
        "judges": unnamed(result["judges"], "digest"),
        "controls": unnamed(result["controls"], "digest"),
        "seeds": None if result["seeds"] is None else unnamed(result["seeds"]),
        "checkpoint": checkpoint | {"components": unnamed(checkpoint["components"])},
        "environment": environment | {"packages": unnamed(environment["packages"], "version")},
        "timing": timing | {"seconds": unnamed(timing["seconds"], "seconds")},
        "curves": [_without_identity(row) for row in curves],
        "damage": {row["concept"]: _score(row) for row in damage if row["measure"] == PRESENCE},
        "attacks": {row["attack"]: _score(row) for row in attacks if row["attack"] is not None},
    }
    return Record.model_validate(fields | json.loads(result["more"] or "{}"))


def _without_identity(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in IDENTITY}


def _score(row: Row) -> Row:
    return {name: row[name] for name in SCORE}
