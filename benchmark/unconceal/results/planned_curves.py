"""The curves that a record of a suite's tier has to hold: without one, or with a shorter one, its scores would rest on less."""

from __future__ import annotations

from collections.abc import Iterator

from unconceal.evaluation.curves import ORIGINAL_PRESENCE, PRESENCE
from unconceal.specs.curve import CurveKey
from unconceal.specs.record import Record
from unconceal.specs.suite import DECIDING_ARMS, Suite, Tier
from unconceal.specs.task import Task

EXTRACTOR_CURVES = ("crs.released", "crs.signed", "ccs")
KID_CURVES = ("kid.original", "kid.unlearned")
OWN_EMPTY = "own-empty"


def planned_curves(suite: Suite, tier: Tier) -> set[CurveKey]:
    """The curves of every record of a tier, but KID's and the diagnostic arm's."""
    arms = [arm for arm in suite.arms if arm in DECIDING_ARMS]
    planned = {CurveKey(PRESENCE, split, arm, None) for split in ("forget", "retain") for arm in arms}
    planned |= {CurveKey(ORIGINAL_PRESENCE, "retain", arm, None) for arm in arms if arm != "prompt"}
    planned.add(CurveKey("clip", "forget", "prompt", None))
    splits = ("forget", "retain")
    return planned | {
        CurveKey(name, split, "prompt", extractor) for name in EXTRACTOR_CURVES for split in splits for extractor in tier.extractors
    }


def curve_flaws(record: Record, suite: Suite, task: Task, tier: Tier) -> Iterator[tuple[str, str]]:
    """Names of curves and what is wrong with them: missing, not planned, of other ψ, or of another number of prompts."""
    planned, held = planned_curves(suite, tier), {curve.key: curve for curve in record.curves}
    for key in sorted(planned - held.keys(), key=str):
        yield f"curve {key}", "is missing"
    prompts = {"forget": len(task.forget[: tier.n_prompts]), "retain": len(task.retain[: tier.n_retain_prompts])}
    grids = {"forget": tier.psi, "retain": tier.retain_psi}
    for key, curve in held.items():
        if key.name in KID_CURVES or (key.name, key.arm, key.extractor) == (PRESENCE, OWN_EMPTY, None):
            continue
        if key not in planned:
            yield f"curve {key}", f"is no curve of tier {record.tier}"
        elif curve.psi != grids[key.split]:
            yield f"curve {key}", f"has ψ = {', '.join(f'{psi:g}' for psi in curve.psi)}, not the tier's"
        elif len(curve.per_prompt) != prompts[key.split]:
            yield f"curve {key}", f"has {len(curve.per_prompt)} prompts, planned {prompts[key.split]}"
