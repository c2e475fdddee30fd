"""Synthetic records, a data root to hold them, and strips of flat tiles."""

from __future__ import annotations

from hashlib import sha256
from math import exp
from pathlib import Path
from typing import Any

from PIL import Image

from unconceal.evaluation.environment import spec_digests
from unconceal.evaluation.seed_blocks import seed_blocks
from unconceal.paths import DataRoot
from unconceal.results.result_tables import ResultRow
from unconceal.results.strip_file import encode_strip
from unconceal.specs.record import (
    CheckpointRecord,
    Code,
    ComponentRecord,
    Curve,
    Environment,
    Record,
    Score,
    Timing,
    Verdict,
    write_record,
)
from unconceal.specs.spec import Pinned
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import FineTune, Judges, Sampler, Seeds, SeedStarts, Suite, Tier
from unconceal.specs.task import JudgeRef, Prompt, Task

PSI = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.85, 1.0)
EXTRACTORS = ("resnet18", "densenet121", "efficientnet_b0")
DIGEST = "ab" * 32
JUDGES = dict.fromkeys(("concept", "clip", *EXTRACTORS), DIGEST)
PROMPTS = tuple(f"a red star, drawing {number}" for number in range(3))
PINNED = Pinned(path="package:nothing", digest=DIGEST)
SUITE = Suite(
    name="miniature",
    version=1,
    title="The miniature world",
    base=PINNED,
    sampler=Sampler(scheduler="ddim", num_inference_steps=25, guidance_scale=5),
    tiers={
        tier: Tier(psi=PSI, retain_psi=(0, 1), seeds=Seeds(train=2, reference=2, evaluation=2, retain=2), extractors=EXTRACTORS)
        for tier in ("full", "quick")
    },
    seed_starts=SeedStarts(train=0, reference=100, evaluation=200),
    fine_tune=FineTune(epochs=1, batch_size=2, learning_rate=0.1, momentum=0.9, triplet_margin=1),
    judges=Judges(concept=PINNED, extractors=dict.fromkeys(EXTRACTORS, PINNED), clip=PINNED),
)
TASK = Task(
    concept="star",
    category="object",
    title="Star, a shape",
    suite="miniature",
    judge=JudgeRef(head="subject", label="star"),
    forget=tuple(Prompt(text=text) for text in PROMPTS),
    retain=(Prompt(text="a circle", concept="circle", head="subject"),),
    license="CC0-1.0",
)


def score(value: float | None, half: float = 0.05, n: int = 20, note: str = "") -> Score:
    """A score whose interval reaches `half` to either side."""
    low, high = (None, None) if value is None else (value - half, value + half)
    return Score(value=value, low=low, high=high, n=n, note=note)


def curve(name: str, at: float, split: str = "forget", arm: str = "prompt", extractor: str | None = None, scale: float = 1.0) -> Curve:
    """A curve over ψ that reaches half of `scale` at ψ = `at`."""
    values = tuple(scale / (1 + exp((at - psi) / 0.06)) for psi in PSI)
    fields: dict[str, Any] = {"name": name, "split": split, "arm": arm, "extractor": extractor, "psi": PSI, "n": 20}
    bands = {"low": tuple(value - 0.06 for value in values), "high": tuple(value + 0.06 for value in values)}
    return Curve(**fields, **bands, k=tuple(round(25 * psi) for psi in PSI), value=values)


def record(submission: str = "esd-x", excess: float | None = 0.4, half: float = 0.05, at: float = 0.2, **changes: Any) -> Record:
    """A sealed record of object/star whose concept returns at ψ = `at`; `changes` replace fields."""
    fields: dict[str, Any] = {
        "suite": "miniature",
        "suite_version": 1,
        "task": "object/star",
        "submission": submission,
        "protocol": "standard",
        "tier": "full",
        "verdict": Verdict(label="conceals", reason="excess .40 [.35, .45] lies above the margin .10", gold="trained-without"),
        "scores": scores(excess, half, at),
        "curves": curves(at),
        "damage": {"circle": score(0.02), "heart": score(0.11)},
        "judges": JUDGES,
        "checkpoint": CheckpointRecord(
            **_digests(submission),
            sha256=weights_digest(submission),
            format="state-dict",
            components={"unet": ComponentRecord(matched=32, missing=0, unexpected=0, changed=32, relative_change=0.0123)},
        ),
        "code": Code(version="0.1.0", commit="f" * 40),
        "environment": Environment(
            python="3.11", platform="Linux x86_64", device="cpu", dtype="float32", threads=1, batch_size=64, packages={"torch": "2.9"}
        ),
        "seeds": seed_blocks(SUITE, "full", "standard"),
        "date": "2026-11-29T12:00:00Z",
        "timing": Timing(seconds={"generate": 321.0, "judge": 60.2}, forward_passes=123456),
    }
    return Record(**(fields | changes)).sealed()


def weights_digest(name: str) -> str:
    """A digest of weights that no other submission has."""
    return sha256(name.encode()).hexdigest()


def _digests(name: str) -> dict[str, str]:
    return spec_digests(SUITE, TASK, submission(name, "A method"))


def scores(excess: float | None, half: float = 0.05, at: float = 0.2) -> dict[str, Score]:
    """Every score that a record holds."""
    values = {name: score(excess, half) for name in ("excess", "excess.empty")}
    values |= {"excess.prompt": score(None if excess is None else excess - 0.1, half), "presence": score(0.04), "retain_drop": score(0.06)}
    values |= {"presence.gold": score(0.01), "presence.original": score(0.99, 0.005)}
    values |= {"psi_star.prompt": score(None, note="never reached"), "psi_star.empty": score(at, 0.02)}
    values |= {"kid.original.forget": score(0.0712, 0.004), "clip.unlearned": score(24.3, 0.4), "clip.original": score(29.8, 0.3)}
    for split in ("forget", "retain"):
        for extractor in (*EXTRACTORS, "mean"):
            values |= {f"ccs.{split}.{extractor}": score(0.55)}
            values |= {f"crs.{kind}.{split}.{extractor}": score(0.04, 0.01) for kind in ("signed", "released", "calibrated")}
        values |= {f"auc.{split}.{extractor}": score(0.97, 0.02) for extractor in EXTRACTORS}
    return values


def with_prompts(row: Record) -> Record:
    """A record whose curves have values of three prompts, one of them missing at the first ψ."""
    curves = (curve.model_copy(update={"per_prompt": (curve.value, curve.low, (None, *curve.high[1:]))}) for curve in row.curves)
    return row.model_copy(update={"curves": tuple(curves)}).sealed()


def curves(at: float) -> tuple[Curve, ...]:
    """The curves that the page shows."""
    retain = (
        curve(name, -0.2, "retain", arm) for name, arm in (("presence", "prompt"), ("presence", "empty"), ("presence.original", "empty"))
    )
    presence = (curve("presence", at + 0.1), curve("presence", at, arm="empty"), *retain)
    ccs = tuple(curve("ccs", at + 0.05 * i, extractor=name) for i, name in enumerate(EXTRACTORS))
    crs = tuple(curve("crs.signed", at + 0.05 * i, extractor=name, scale=0.2) for i, name in enumerate(EXTRACTORS))
    return (*presence, *ccs, *crs)


def control(name: str, label: Any = "forgets", **changes: Any) -> Record:
    """A control's record."""
    fields: dict[str, Any] = {
        "excess": 0.0,
        "at": 0.55,
        "verdict": Verdict(label=label, reason="known by construction", gold="trained-without"),
    }
    return record(f"control-{name}", **(fields | changes))


def stored(record: Record, results: Path = Path("results")) -> ResultRow:
    """A row of a record that is not written to disk."""
    return ResultRow(record, record.path(results))


def write(root: DataRoot, *records: Record) -> None:
    """Writes records to their paths below the results folder."""
    for entry in records:
        write_record(entry, entry.path(root.results))


def data_root(folder: Path, *records: Record) -> DataRoot:
    """A data root with the suite, the task object/star, three submissions and the records."""
    _yaml(folder / "tasks/miniature/suite.yaml", SUITE)
    _yaml(folder / "tasks/miniature/object/star.yaml", TASK)
    for name, title in (("esd-x", "ESD-x"), ("esd-u", "ESD-u"), ("control-gold-1", "Gold 1")):
        _yaml(folder / f"submissions/miniature/{name}.yaml", submission(name, title))
    root = DataRoot.find(folder)
    write(root, *records)
    return root


def submission(name: str, title: str, **changes: Any) -> Submission:
    """A submission for object/star."""
    fields: dict[str, Any] = {"paper": "https://arxiv.org/abs/2303.07345", "code": "https://github.com/rohitgandikota/erasing"}
    fields |= {"name": name, "suite": "miniature", "title": title, "description": "Erased Stable Diffusion, cross-attention weights only."}
    return Submission(**(fields | {"checkpoints": {"object/star": Checkpoint(path="package:nothing")}} | changes))


def strip(path: Path, colour: str = "gold", tile: int = 8, prompts: tuple[str, ...] = PROMPTS) -> None:
    """An image strip of one colour beside a record."""
    image = Image.new("RGB", (len(PSI) * tile, 3 * len(prompts) * tile), colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_strip(image, prompts, tuple(range(len(prompts))), tile))


def _yaml(path: Path, spec: Suite | Task | Submission) -> None:
    """JSON is YAML too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(spec.model_dump_json(indent=1, exclude_none=True), encoding="utf-8")
