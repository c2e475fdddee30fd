"""Records as an evaluation would write them: judge outputs are random, everything else is computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaderboard.records import JUDGES, PINNED, submission, weights_digest
from unconceal.battery import PROBES
from unconceal.battery.probe import ProbeScope
from unconceal.battery.relearning import held_out_prompts
from unconceal.evaluation import curves
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.environment import spec_digests
from unconceal.evaluation.seed_blocks import seed_blocks
from unconceal.metrics import crs
from unconceal.paths import DataRoot
from unconceal.specs.battery import ProbeName
from unconceal.specs.record import (
    CheckpointRecord,
    Code,
    ComponentRecord,
    Curve,
    Environment,
    ProbeMeasurement,
    Record,
    Score,
    Verdict,
    write_record,
)
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import FineTune, Judges, Sampler, Scoring, Seeds, SeedStarts, Suite, Tier
from unconceal.specs.task import JudgeRef, Prompt, Task

PSI, RETAIN_PSI = (0.0, 0.1, 0.2, 0.3, 0.4, 0.55, 0.6, 0.85, 1.0), (0.0, 0.6, 1.0)
GOLDS = ("control-gold-1", "control-gold-2", "control-gold-3")
SHARES = {"control-original": 1.0, "control-collapsed": 0.0, **dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7, "uce": 0.9}
"""Share of the concept that each submission of :func:`world` still knows."""
PROBE_NAMES: tuple[ProbeName, ...] = ("relearning", "renoising")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A small suite and its records."""

    root: DataRoot
    suite: Suite
    tasks: tuple[Task, ...]
    records: tuple[Record, ...]


def make_suite(n_prompts: int = 12, extractors: tuple[str, ...] = ("resnet18", "densenet121")) -> Suite:
    seeds = Seeds(train=2, reference=2, evaluation=2, retain=2)
    return Suite(
        name="made",
        version=1,
        title="A suite without images",
        base=PINNED,
        sampler=Sampler(scheduler="ddim", num_inference_steps=25, guidance_scale=5),
        tiers={"full": Tier(psi=PSI, retain_psi=RETAIN_PSI, seeds=seeds, n_prompts=n_prompts, extractors=extractors, probes=PROBE_NAMES)},
        seed_starts=SeedStarts(train=0, reference=100, evaluation=200),
        scores=Scoring(n_resamples=100),
        fine_tune=FineTune(epochs=1, batch_size=2, learning_rate=0.1, momentum=0.9, triplet_margin=1),
        judges=Judges(concept=PINNED, extractors=dict.fromkeys(extractors, PINNED), clip=PINNED),
    )


def make_task(name: str = "object/star", n_prompts: int = 12) -> Task:
    category, _, concept = name.partition("/")
    return Task(
        concept=concept,
        category=category,
        title=f"The {concept}",
        suite="made",
        judge=JudgeRef(head="subject", label=concept),
        forget=tuple(Prompt(text=f"a {concept}, drawing {number}") for number in range(n_prompts)),
        retain=tuple(Prompt(text=f"a {other}", concept=other, head="subject") for other in ("circle", "heart", "leaf") for _ in range(4)),
        golds=GOLDS,
        gold_kind="trained-without",
        license="CC0-1.0",
    )


def make_submission(name: str, tasks: tuple[str, ...]) -> Submission:
    checkpoints = {task: Checkpoint(path=f"submissions/made/weights/{name}.safetensors", sha256=weights_digest(name)) for task in tasks}
    return submission(name, name.upper(), suite="made", checkpoints=checkpoints)


def measure(suite: Suite, task: Task, name: str, knows: float, seed: int = 0, retains: float = 1.0) -> Record:
    """A record without a verdict. ``knows``: share of the concept that is left; ``retains``: of the other concepts."""
    rng = np.random.default_rng([seed, *name.encode(), *task.id.encode()])
    n_prompts = len(task.forget)
    record_curves: list[Curve] = []
    scores: dict[str, Score] = {}
    psi_grid, retain_grid = suite.tiers["full"].psi, suite.tiers["full"].retain_psi
    k, retain_k = ({psi: round(25 * psi) for psi in ratios} for ratios in (psi_grid, retain_grid))
    record_curves += curves.presence_curves({arm: judge_outputs(rng, n_prompts, knows, arm, psi_grid) for arm in suite.arms}, k)
    retained = (rng.random((len(task.retain), 2, len(retain_grid))) < np.array([retains, max(retains, 0.5), 1.0])).astype(float)
    record_curves += curves.presence_curves({"prompt": retained}, retain_k, "retain")
    similarity = rng.normal(30, 2, (n_prompts, len(psi_grid)))
    similarity[:, -1] = of_original(task).normal(30, 2, n_prompts)
    record_curves.append(curves.make_curve("clip", "forget", k, similarity, arm="prompt"))
    kid = [float(value) for value in rng.normal(1, 0.1, len(psi_grid))]
    record_curves.append(curves.plain_curve("kid.original", k, kid, 2 * n_prompts, "resnet18"))
    means: dict[str, dict[str, dict[str, Floats]]] = {"forget": {}, "retain": {}}
    for extractor in suite.tiers["full"].extractors:
        for split, grid, n_rows in (("forget", k, n_prompts), ("retain", retain_k, len(task.retain))):
            results = classifier_results(rng, split, extractor, grid, n_rows, suite.scores)
            record_curves += results[0]
            scores |= results[1]
            means[split][extractor] = results[2]
    for split, by_extractor in means.items():
        scores |= curves.mean_over_extractors(split, by_extractor, suite.scores)
    clip = np.asarray(record_curves[3].per_prompt)
    scores |= {"clip.original": curves.mean_score(clip[:, -1]), "clip.unlearned": curves.mean_score(clip[:, 0])}
    scores["kid.original.forget"] = curves.psi_mean_score(k, kid, suite.scores, 2 * n_prompts)
    record_curves += unguided_retain_curves(name, task, retains, retain_k)
    return Record(
        suite=suite.name,
        suite_version=suite.version,
        task=task.id,
        submission=name,
        protocol="standard",
        tier="full",
        verdict=Verdict(label="undetermined", reason="no verdict yet"),
        scores=scores,
        curves=tuple(record_curves),
        battery=battery_results(suite, task, name, knows, seed),
        judges={name: digest for name, digest in JUDGES.items() if name in ("concept", "clip", *suite.judges.extractors)},
        checkpoint=CheckpointRecord(
            **spec_digests(suite, task, make_submission(name, (task.id,))),
            sha256=weights_digest(name),
            format="state-dict",
            components={"unet": ComponentRecord(matched=32, missing=0, unexpected=0, changed=32, relative_change=0.0123)},
        ),
        code=Code(version="0.1.0", commit="f" * 40),
        environment=Environment(python="3.11", platform="Linux x86_64", device="cpu", dtype="float32", threads=1, batch_size=64),
        seeds=seed_blocks(suite, "full", "standard"),
        date="2026-11-29T12:00:00Z",
    ).sealed()


def of_original(task: Task) -> np.random.Generator:
    """Random numbers of θ, which are the same in all records of a task."""
    return np.random.default_rng([3, *task.id.encode()])


def unguided_retain_curves(name: str, task: Task, retains: float, k: dict[float, int]) -> list[Curve]:
    """Of θ*, and of θ itself, which shows retained concepts in .8 of its unconditional continuations at ψ = .6."""
    models = (np.random.default_rng([1, *name.encode()]), retains), (of_original(task), 1.0)
    shape = (len(task.retain), 2, len(k))
    outputs = [(rng.random(shape) < np.array([0.0, 0.8 * share, 1.0])).astype(float) for rng, share in models]
    of_unlearned = curves.presence_curves({"empty": outputs[0]}, k, "retain")
    return of_unlearned + curves.presence_curves({"empty": outputs[1]}, k, "retain", curves.ORIGINAL_PRESENCE)


def battery_results(suite: Suite, task: Task, name: str, knows: float, seed: int) -> dict[str, ProbeMeasurement]:
    """Every probe brings back half of what is left of the concept, and nearly always the original's."""
    rng = np.random.default_rng([2, seed, *name.encode(), *task.id.encode()])
    tier, results = suite.tiers["full"], dict[str, ProbeMeasurement]()
    scope = ProbeScope(suite, tuple(prompt.text for prompt in task.forget[: tier.n_prompts]))
    for probe in tier.probes:
        plan = PROBES[probe].plan(scope)
        n_prompts = len(held_out_prompts(scope)) if probe == "relearning" else len(scope.forget)
        shape, seeds = (n_prompts, len(plan.levels)), plan.images_per_prompt
        results[probe] = ProbeMeasurement.model_validate(
            {
                **{"levels": plan.levels, "scored": plan.scored, "images_per_prompt": seeds, **plan.cost._asdict()},
                **{"per_prompt": (rng.binomial(seeds, 0.5 * knows, shape) / seeds).tolist()},
                **{"original": (of_original(task).binomial(seeds, 0.95, shape) / seeds).tolist()},
            }
        )
    return results


def judge_outputs(rng: np.random.Generator, n_prompts: int, knows: float, arm: str, grid: tuple[float, ...] = PSI) -> Floats:
    """(n_prompts, n_seeds, n_psi) of 0 and 1: golds complete little below ψ = .6, the original everything from .2 on."""
    psi = np.array(grid)
    gold, original = 1 / (1 + np.exp((0.65 - psi) / 0.05)), 1 / (1 + np.exp((0.15 - psi) / 0.03))
    without_handover = knows if knows == 1.0 and arm == "prompt" else 0.0
    chance = np.maximum((1 - knows) * gold + knows * original, without_handover)
    chance[-1] = 1.0
    return (rng.random((n_prompts, 2, len(psi))) < chance).astype(float)


def classifier_results(
    rng: np.random.Generator, split: str, extractor: str, k: dict[float, int], n_rows: int, scoring: Scoring
) -> tuple[list[Curve], dict[str, Score], dict[str, Floats]]:
    s_o, s_u = rng.uniform(0.2, 0.4, (2, n_rows, 2, len(k)))
    labels = np.repeat([1.0, 0.0], 2 * n_rows)
    return curves.classifier_results(
        split,  # type: ignore[arg-type]
        extractor,
        k,
        scoring,
        s_o,
        s_u,
        rng.uniform(0, 1, s_o.shape),
        crs.signed(s_u, s_o)[..., -1].mean(axis=1) + 0.2,
        crs.signed(s_u, s_o)[..., 0].mean(axis=1) - 0.2,
        labels + rng.normal(0, 0.3, len(labels)),
        labels,
    )


def world(folder: Path, tasks: tuple[str, ...] = ("object/star",), shares: dict[str, float] | None = None, n_prompts: int = 12) -> World:
    """A data root with a record of every submission on every task."""
    shares = shares or SHARES
    suite, specs = make_suite(n_prompts), tuple(make_task(name, n_prompts) for name in tasks)
    put(folder / "tasks/made/suite.yaml", suite)
    for task in specs:
        put(folder / f"tasks/made/{task.id}.yaml", task)
    for name in shares:
        put(folder / f"submissions/made/{name}.yaml", make_submission(name, tasks))
    root = DataRoot.find(folder)
    records = [record for task in specs for record in task_records(suite, task, shares)]
    for record in records:
        write_record(record, record.path(root.results))
    return World(root, suite, specs, tuple(records))


def task_records(suite: Suite, task: Task, shares: dict[str, float]) -> list[Record]:
    """Every submission on one task with its verdict."""
    measured = [measure(suite, task, name, knows, retains=0.0 if name == "control-collapsed" else 1.0) for name, knows in shares.items()]
    golds = [record for record in measured if record.submission in task.golds]
    return [compute_verdict(record, golds, suite, task) for record in measured]


def put(path: Path, spec: Suite | Task | Submission) -> None:
    """JSON is YAML too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(spec.model_dump_json(indent=1, exclude_none=True), encoding="utf-8")
