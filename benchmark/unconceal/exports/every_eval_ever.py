"""The shared format of the EvalEval coalition, Every Eval Ever 0.3: one aggregate file per record, and one line per prompt, arm and ψ.

Facts about the format are from the schemas of the package ``every-eval-ever`` 0.3.0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from unconceal.leaderboard.labels import directed_score
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Curve, Record
from unconceal.specs.score import Score
from unconceal.specs.submission import Submission

SCHEMA_VERSION = "0.3.0"
COLLECTION, ORGANIZATION = "unconceal", "unconceal"
Fields = dict[str, Any]


def every_eval_ever_files(tables: Iterable[ResultTable], submissions: Mapping[tuple[str, str], Submission]) -> Iterator[tuple[str, str]]:
    """Relative path and text of every file, for all rows that are not withdrawn.

    Args:
        tables: the result tables.
        submissions: the submissions by suite and name; they give the models' ids.

    Returns:
        ``data/unconceal/<developer>/<model>/<uuid>.json`` and ``…_samples.jsonl``; equal records give equal bytes.
    """
    for table in tables:
        for row in table.rows:
            if row.record.verification.status != "withdrawn":
                yield from record_files(row, submissions.get((table.suite, row.record.submission)))


def record_files(row: ResultRow, submission: Submission | None) -> Iterator[tuple[str, str]]:
    """The aggregate file of one record, and the file of its prompts if it has any."""
    record, model = row.record, model_id(row.record, submission)
    stem = f"data/{COLLECTION}/{model}/{record_uuid(record)}"
    lines = [json.dumps(line, ensure_ascii=False) for line in instance_rows(record, model)]
    samples = "".join(f"{line}\n" for line in lines)
    aggregate = aggregate_fields(record, model)
    if lines:
        aggregate["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": f"{stem}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(samples.encode()).hexdigest(),
            "total_rows": len(lines),
        }
        yield f"{stem}_samples.jsonl", samples
    yield f"{stem}.json", json.dumps(aggregate, indent=2, ensure_ascii=False) + "\n"


def model_id(record: Record, submission: Submission | None) -> str:
    """``owner/name`` of the checkpoint's repository on the Hub; ``<suite>/<submission>`` for other checkpoints."""
    checkpoint = submission.checkpoints.get(record.task) if submission else None
    repository = getattr(checkpoint, "repo", None)
    return repository or f"{record.suite}/{record.submission}"


def record_uuid(record: Record) -> UUID:
    """A UUID of version 4 from the record's digest: the format demands one, and equal records must give equal names."""
    return UUID(bytes=bytes.fromhex(record.digest)[:16], version=4)


def evaluation_id(record: Record, model: str) -> str:
    """``unconceal-miniature-3-object/star/<model>/<seconds since 1970>``."""
    return f"{COLLECTION}-{record.suite}-{record.suite_version}-{record.task}/{model}/{unix_seconds(record.date)}"


def unix_seconds(date: str | None) -> str:
    """Seconds since 1970 of an ISO 8601 date; ``0`` for records that have none."""
    return str(int(datetime.fromisoformat(date).timestamp())) if date else "0"


def aggregate_fields(record: Record, model: str) -> Fields:
    """The record without its curves: provenance, and every score with its interval."""
    scores = [(name, score) for name, score in record.scores.items() if score.value is not None and directed_score(name)]
    relationship = "third_party" if record.verification.status == "rerun" else "other"
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation_id(record, model),
        **({"evaluation_timestamp": record.date} if record.date else {}),
        "retrieved_timestamp": unix_seconds(record.date),
        "source_metadata": {
            "source_name": "unconceal",
            "source_type": "evaluation_run",
            "source_organization_name": ORGANIZATION,
            "evaluator_relationship": relationship,
            "additional_details": {"verification": record.verification.status, "record_digest": record.digest},
        },
        "eval_library": {"name": "unconceal", "version": record.code.version, "additional_details": code_details(record)},
        "model_info": {
            "name": record.submission,
            "id": model,
            "developer": model.partition("/")[0],
            "inference_engine": {"name": "diffusers", "version": record.environment.packages.get("diffusers", "unknown")},
            "additional_details": {"deployment_type": "self_deployed", "model_availability": "open_weights", **checkpoint_details(record)},
        },
        "evaluation_results": [result_fields(record, name, score) for name, score in scores],
    }


def code_details(record: Record) -> dict[str, str]:
    """Commit and suite; the format wants strings."""
    return {"commit": record.code.commit or "unknown", "suite": f"{record.suite}-{record.suite_version}"}


def checkpoint_details(record: Record) -> dict[str, str]:
    """Format and digest of the checkpoint; the format wants strings."""
    return {"checkpoint_format": record.checkpoint.format, "checkpoint_sha256": record.checkpoint.sha256 or "none"}


def result_fields(record: Record, name: str, score: Score) -> Fields:
    """One score with its metric and its interval."""
    label = directed_score(name)
    assert label is not None
    return {
        "evaluation_result_id": result_id(record, name),
        "evaluation_name": f"{record.suite}-{record.suite_version}/{record.task}",
        "source_data": source_data(record),
        "metric_config": {
            "evaluation_description": f"{record.protocol} protocol, tier {record.tier}",
            "metric_id": f"unconceal.{name}",
            "metric_name": label.label,
            "metric_kind": name.partition(".")[0],
            "lower_is_better": label.direction != "↑",
            "score_type": "continuous",
            "min_score": "-Infinity",
            "max_score": "Infinity",
        },
        "score_details": {"score": score.value, "details": score_details(record, name, score), **uncertainty(score)},
    }


def score_details(record: Record, name: str, score: Score) -> dict[str, str]:
    """The note of a score; beside the primary score also the verdict."""
    verdict = record.verdict
    details = {"verdict": verdict.title, "verdict_code": verdict.code, "gold": verdict.gold or "none"} if name == "excess" else {}
    return details | ({"note": score.note} if score.note else {})


def uncertainty(score: Score) -> Fields:
    """The 95 % interval and the number of prompts, if the score has them."""
    if score.low is None or score.high is None:
        return {}
    interval = {"lower": score.low, "upper": score.high, "confidence_level": 0.95, "method": "over prompts, paired with golds"}
    return {"uncertainty": {"confidence_interval": interval, "num_samples": score.n}}


def source_data(record: Record) -> Fields:
    """The task is a file of the suite, not a dataset."""
    return {
        "dataset_name": f"unconceal {record.suite}-{record.suite_version} {record.task}",
        "source_type": "other",
        "additional_details": {"task_digest": record.checkpoint.task_digest, "suite_digest": record.checkpoint.suite_digest},
    }


def result_id(record: Record, name: str) -> str:
    """Key of a score within its file."""
    return f"{record.task}/{record.protocol}-{record.tier}/{name}"


def instance_rows(record: Record, model: str) -> Iterator[Fields]:
    """Presence of the concept by prompt, arm and ψ, forget prompts only; the score is the share of the prompt's images that show it."""
    for curve in presence_curves(record):
        yield from curve_instances(record, model, curve)


def presence_curves(record: Record) -> list[Curve]:
    """Presence on the forget prompts, one curve per arm."""
    return [curve for curve in record.curves if curve.name == "presence" and curve.split == "forget" and curve.arm]


def curve_instances(record: Record, model: str, curve: Curve) -> Iterator[Fields]:
    """The lines of one curve. Prompts are named by position: their texts are in the task's file, of which ``task_digest`` is given."""
    for number, values in enumerate(curve.per_prompt, 1):
        for psi, value in zip(curve.psi, values, strict=True):
            if value is None:
                continue
            prompt = f"{record.task}: forget prompt {number}, {curve.arm} arm, ψ = {psi:g}"
            answer = f"{value:g}"
            yield {
                "schema_version": SCHEMA_VERSION,
                "evaluation_id": evaluation_id(record, model),
                "model_id": model,
                "evaluation_name": f"{record.suite}-{record.suite_version}/{record.task}",
                **({"evaluation_result_id": result_id(record, "presence")} if psi == 0 and curve.arm == "prompt" else {}),
                "sample_id": f"forget-{number}/{curve.arm}/{psi:g}",
                "sample_hash": hashlib.sha256(f"{prompt}0".encode()).hexdigest(),
                "interaction_type": "single_turn",
                "input": {"raw": prompt, "reference": ["0"]},
                "output": {"raw": [answer]},
                "messages": None,
                "answer_attribution": [
                    {
                        "turn_idx": 0,
                        "source": "output.raw",
                        "extracted_value": answer,
                        "extraction_method": "concept judge",
                        "is_terminal": True,
                    }
                ],
                "evaluation": {"score": value, "is_correct": value == 0},
            }
