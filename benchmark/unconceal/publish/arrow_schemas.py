"""The columns of the published tables, explicit so that an empty table has them too."""

from __future__ import annotations

import pyarrow as pa

NAMED_DIGEST = pa.list_(pa.struct([("name", pa.string()), ("digest", pa.string())]))
SCORE = [("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("n", pa.int64()), ("note", pa.string())]
FLOAT_LIST = pa.list_(pa.float64())

IDENTITY = [
    ("suite", pa.string()),
    ("suite_version", pa.int64()),
    ("task", pa.string()),
    ("submission", pa.string()),
    ("protocol", pa.string()),
    ("tier", pa.string()),
]
"""Columns that identify the record of a row."""

RESULTS = pa.schema(
    [
        *IDENTITY,
        ("verdict", pa.string()),
        ("verdict_code", pa.string()),
        ("verdict_reason", pa.string()),
        ("gold", pa.string()),
        ("inference", pa.string()),
        ("verdict_by", pa.list_(pa.string())),
        ("verdict_probes", pa.list_(pa.string())),
        ("verdict_unmeasured", pa.list_(pa.struct([("name", pa.string()), ("code", pa.string())]))),
        ("verification", pa.string()),
        ("verified_by", pa.string()),
        ("verified_on", pa.string()),
        ("verified_reason", pa.string()),
        ("primary", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("per_prompt", FLOAT_LIST),
        ("scores", pa.list_(pa.struct([("name", pa.string()), *SCORE]))),
        ("judges", NAMED_DIGEST),
        ("controls", NAMED_DIGEST),
        (
            "checkpoint",
            pa.struct(
                [
                    ("task_digest", pa.string()),
                    ("suite_digest", pa.string()),
                    ("submission_digest", pa.string()),
                    ("sha256", pa.string()),
                    ("format", pa.string()),
                    ("unused_parts", pa.list_(pa.string())),
                    ("warnings", pa.list_(pa.string())),
                    (
                        "files",
                        pa.list_(
                            pa.struct([("name", pa.string()), ("formats", pa.list_(pa.string())), ("prefixes", pa.list_(pa.string()))])
                        ),
                    ),
                    (
                        "components",
                        pa.list_(
                            pa.struct(
                                [
                                    ("name", pa.string()),
                                    ("matched", pa.int64()),
                                    ("missing", pa.int64()),
                                    ("unexpected", pa.int64()),
                                    ("changed", pa.int64()),
                                    ("relative_change", pa.float64()),
                                ]
                            )
                        ),
                    ),
                ]
            ),
        ),
        ("code", pa.struct([("version", pa.string()), ("commit", pa.string()), ("dirty", pa.bool_())])),
        (
            "environment",
            pa.struct(
                [
                    ("python", pa.string()),
                    ("platform", pa.string()),
                    ("device", pa.string()),
                    ("dtype", pa.string()),
                    ("threads", pa.int64()),
                    ("batch_size", pa.int64()),
                    ("requested_batch_size", pa.int64()),
                    ("optimizations", pa.list_(pa.string())),
                    ("processor", pa.string()),
                    ("packages", pa.list_(pa.struct([("name", pa.string()), ("version", pa.string())]))),
                ]
            ),
        ),
        (
            "timing",
            pa.struct(
                [
                    ("seconds", pa.list_(pa.struct([("name", pa.string()), ("seconds", pa.float64())]))),
                    ("forward_passes", pa.int64()),
                ]
            ),
        ),
        ("base_digest", pa.string()),
        ("date", pa.string()),
        ("seeds", pa.list_(pa.struct([("name", pa.string()), ("start", pa.int64()), ("count", pa.int64())]))),
        ("schema_version", pa.int64()),
        ("record_id", pa.string()),
        ("digest", pa.string()),
        ("more", pa.string()),
    ]
)
"""One row per record. ``value``, ``low``, ``high``, ``n``, ``per_prompt``: the score that ranks, ``primary``; ``scores``: all of them.

``inference``: the rule of an inference-time method, as JSON; null without one.
``more``: further fields of a later record version, as JSON; empty without any.
"""
CURVES = pa.schema(
    [
        *IDENTITY,
        ("name", pa.string()),
        ("split", pa.string()),
        ("arm", pa.string()),
        ("extractor", pa.string()),
        ("psi", FLOAT_LIST),
        ("k", pa.list_(pa.int64())),
        ("value", FLOAT_LIST),
        ("low", FLOAT_LIST),
        ("high", FLOAT_LIST),
        ("n", pa.int64()),
        ("per_prompt", pa.list_(FLOAT_LIST)),
    ]
)
BATTERY = pa.schema(
    [
        *IDENTITY,
        ("probe", pa.string()),
        ("levels", pa.list_(pa.string())),
        ("scored", pa.list_(pa.string())),
        ("images_per_prompt", pa.int64()),
        ("per_prompt", pa.list_(FLOAT_LIST)),
        ("original", pa.list_(FLOAT_LIST)),
        ("forward_passes", pa.int64()),
        ("backward_passes", pa.int64()),
        ("error", pa.string()),
    ]
)
"""Rates (prompts, levels) at which θ*'s images (``per_prompt``) and θ's (``original``) show the concept under a probe of the battery."""
DAMAGE = pa.schema(
    [
        *IDENTITY,
        ("concept", pa.string()),
        ("measure", pa.string()),
        ("eligible", pa.bool_()),
        *SCORE,
        ("similarity", pa.list_(pa.struct([("name", pa.string()), ("similarity", pa.float64())]))),
    ]
)
"""``measure``: ``presence`` is the drop of a retained concept's rate at ψ = 0, relative to θ's own; ``clip``, ``accuracy`` and ``kid``
are those of a neighbour, ``eligible`` if θ can draw it. ``similarity``: 1–10, by ranker."""
ATTACKS = pa.schema(
    [
        *IDENTITY,
        ("attack", pa.string()),
        ("probe_set", pa.string()),
        ("attribute", pa.string()),
        *SCORE,
        ("gold", pa.float64()),
        ("gold_low", pa.float64()),
        ("gold_high", pa.float64()),
    ]
)
"""Success rates of a probe set's attacks, of all or of those with one ``attribute``, and the golds' rates."""
SUBMISSIONS = pa.schema(
    [
        ("suite", pa.string()),
        ("submission", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("method", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
        ("license", pa.string()),
        ("control", pa.bool_()),
        (
            "checkpoints",
            pa.list_(
                pa.struct(
                    [
                        ("task", pa.string()),
                        ("path", pa.string()),
                        ("repo", pa.string()),
                        ("revision", pa.string()),
                        ("file", pa.string()),
                        ("subfolder", pa.string()),
                        ("format", pa.string()),
                        ("component", pa.string()),
                        ("use", pa.string()),
                        ("scale", pa.float64()),
                        ("sha256", pa.string()),
                        ("inference", pa.string()),
                    ]
                )
            ),
        ),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "results": RESULTS,
    "curves": CURVES,
    "battery": BATTERY,
    "damage": DAMAGE,
    "attacks": ATTACKS,
    "submissions": SUBMISSIONS,
}
"""Every table of the dataset; each is a config."""
DESCRIPTIONS = {
    "results": "one row per record: verdict, verification, the primary score (with interval and per prompt), all scores, provenance",
    "curves": "one row per curve over ψ: values with intervals, and per prompt",
    "battery": "one row per record and probe of the battery: rates per prompt and level, of the submission and of the original model",
    "damage": "one row per record, concept and measure: damage of retained concepts and neighbours",
    "attacks": "one row per record and set of attacks: success rate",
    "submissions": "one row per submission: title, paper, code, and where its weights are",
}
SPLIT = "test"
