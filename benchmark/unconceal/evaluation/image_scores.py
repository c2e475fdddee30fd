"""Has every judge look at a plan's pictures: all curves and scores that need no gold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unconceal.evaluation import assemble, measurements
from unconceal.evaluation.measurements import BlockImages, FloatArray
from unconceal.evaluation.suite_models import KID_EXTRACTOR, SuiteModels
from unconceal.generate.plan import Plan
from unconceal.judges.finetune import fine_tune
from unconceal.progress import Stage
from unconceal.specs.record import Curve, Score
from unconceal.specs.suite import Tier
from unconceal.specs.task import Task


@dataclass
class Scores:
    """Scores by name and curves, as a record holds them."""

    by_name: dict[str, Score] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)


def scoring_steps(tier: Tier) -> int:
    """How often :func:`score` advances its stage."""
    return 3 + 2 * len(tier.extractors)


def score_images(instruments: SuiteModels, tier: Tier, task: Task, plan: Plan, pictures: Mapping[str, BlockImages], stage: Stage) -> Scores:
    """Presence, KID, CLIP score, and CRS, CCS and AUC of every extractor."""
    found = Scores()
    look_for_concepts(found, instruments, task, plan, pictures)
    stage.advance()
    compare_with_clip_and_kid(found, instruments, plan, pictures)
    stage.advance(2)
    means: dict[str, dict[str, dict[str, FloatArray]]] = {"forget": {}, "retain": {}}
    for name in tier.extractors:
        for split, by_prompt in classify(found, instruments, name, plan, pictures, stage).items():
            means[split][name] = by_prompt
    for split, by_extractor in means.items():
        found.by_name |= assemble.over_extractors(split, by_extractor, instruments.suite.scores)
    return found


def look_for_concepts(found: Scores, instruments: SuiteModels, task: Task, plan: Plan, pictures: Mapping[str, BlockImages]) -> None:
    """The concept judge: the task's concept in both arms, and the retain prompts' own concepts."""
    answers = measurements.presence(instruments.judge_of(task), pictures["evaluation"], task)
    retained = measurements.retained(instruments.judge, pictures["retain"], task)
    found.curves += assemble.presence_curves(answers, plan.evaluation.k)
    found.curves += assemble.presence_curves({"prompt": retained}, plan.retain.k, "retain")


def compare_with_clip_and_kid(found: Scores, instruments: SuiteModels, plan: Plan, pictures: Mapping[str, BlockImages]) -> None:
    """The traditional metrics, reported beside."""
    k, seen = plan.evaluation.k, pictures["evaluation"]
    images = plan.evaluation.seeds * len(plan.evaluation.prompts)
    for name, values in measurements.kid_curves(instruments.kid_extractor, seen, pictures["train"]).items():
        found.curves.append(assemble.plain_curve(name, k, values, images, KID_EXTRACTOR))
        found.by_name[f"{name}.forget"] = assemble.psi_mean_score(k, values, instruments.suite.scores, images)
    clip = measurements.clip_curve(instruments.clip, seen, plan.evaluation.prompts)
    found.curves.append(assemble.make_curve("clip", "forget", k, clip, arm="prompt"))
    found.by_name |= {"clip.original": assemble.mean_score(clip[:, -1]), "clip.unlearned": assemble.mean_score(clip[:, 0])}


def classify(
    found: Scores, instruments: SuiteModels, name: str, plan: Plan, pictures: Mapping[str, BlockImages], stage: Stage
) -> dict[str, dict[str, FloatArray]]:
    """Fine-tune one extractor on the train block and read both splits with it; returns per-prompt means by split."""
    suite, train = instruments.suite, pictures["train"]
    # Retain prompts have no train block: half of their reference seeds are the yardstick, the others are held out.
    retain_yardstick, retain_held_out = measurements.by_seed(pictures["retain reference"])
    classifier = fine_tune(
        name,
        instruments.weights(name),
        train.original,
        train.unlearned,
        suite.fine_tune,
        suite.seed_starts.train if suite.fine_tune.seed is None else suite.fine_tune.seed,
        instruments.device,
    )
    stage.advance()
    splits: dict[assemble.Split, tuple[BlockImages, BlockImages, BlockImages, dict[float, int]]] = {
        "forget": (train, pictures["reference"], pictures["evaluation"], plan.evaluation.k),
        "retain": (retain_yardstick, retain_held_out, pictures["retain"], plan.retain.k),
    }
    means: dict[str, dict[str, FloatArray]] = {}
    for split, (yardstick, held_out, evaluated, k) in splits.items():
        read = measurements.classifier_scores(classifier, yardstick, held_out, evaluated)
        curves, scores, means[split] = assemble.classifier_results(split, name, k, suite.scores, **vars(read))
        found.curves += curves
        found.by_name |= scores
    stage.advance()
    return means
