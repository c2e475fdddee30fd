"""All curves and scores of a plan's images that need no gold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unconceal.evaluation import measurements
from unconceal.evaluation.curves import (
    ORIGINAL_PRESENCE,
    PRESENCE,
    Split,
    classifier_results,
    make_curve,
    mean_over_extractors,
    mean_score,
    plain_curve,
    presence_curves,
    psi_mean_score,
)
from unconceal.evaluation.measurements import BlockImages
from unconceal.evaluation.suite_models import KID_EXTRACTOR, SuiteModels
from unconceal.generate.plan import Plan
from unconceal.judges.finetune import fine_tune
from unconceal.metrics.statistics import FloatArray
from unconceal.progress import Stage
from unconceal.specs.record import Curve, Score
from unconceal.specs.suite import Tier
from unconceal.specs.task import Task

Images = Mapping[str, BlockImages]


@dataclass
class Scores:
    """Scores by name and curves, as in a record."""

    by_name: dict[str, Score] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)


def scoring_steps(tier: Tier) -> int:
    """How often :func:`score_images` advances its stage."""
    return 3 + 2 * len(tier.extractors)


def score_images(models: SuiteModels, tier: Tier, task: Task, plan: Plan, images: Images, stage: Stage) -> Scores:
    """Presence, KID, CLIP score, and CRS, CCS and AUC of every extractor.

    Args:
        models: the judges.
        tier: which extractors to use.
        task: whose concept is judged.
        plan: of the images.
        images: by the name of their block.
        stage: advanced :func:`scoring_steps` times.
    """
    scores = Scores()
    add_presence(scores, models, task, plan, images)
    stage.advance()
    add_clip_and_kid(scores, models, plan, images)
    stage.advance(2)
    means: dict[str, dict[str, dict[str, FloatArray]]] = {"forget": {}, "retain": {}}
    for extractor in tier.extractors:
        for split, by_prompt in add_classifier_scores(scores, models, extractor, plan, images, stage).items():
            means[split][extractor] = by_prompt
    for split, by_extractor in means.items():
        scores.by_name |= mean_over_extractors(split, by_extractor, models.suite.scores)
    return scores


def add_presence(scores: Scores, models: SuiteModels, task: Task, plan: Plan, images: Images) -> None:
    """The presence of the task's concept in every arm, and of the retain prompts' own concepts."""
    for block in (plan.evaluation, plan.own_empty):
        if block is not None:
            answers = measurements.presence(models.judge_for(task), images[block.name], task)
            scores.curves += presence_curves(answers, block.k)
    for name, retain in ((PRESENCE, plan.retain), (ORIGINAL_PRESENCE, plan.retain_original)):
        retained = measurements.retained_presence(models.judge, images[retain.name], task)
        scores.curves += presence_curves(retained, retain.k, "retain", name)


def add_clip_and_kid(scores: Scores, models: SuiteModels, plan: Plan, images: Images) -> None:
    """The traditional metrics, for comparison."""
    k, evaluated = plan.evaluation.k, images["evaluation"]
    n_images = plan.evaluation.seeds * len(plan.evaluation.prompts)
    for name, values in measurements.kid_curves(models.kid_extractor, evaluated, images["train"]).items():
        scores.curves.append(plain_curve(name, k, values, n_images, KID_EXTRACTOR))
        scores.by_name[f"{name}.forget"] = psi_mean_score(k, values, models.suite.scores, n_images)
    clip = measurements.clip_curve(models.clip, evaluated, plan.evaluation.prompts)
    scores.curves.append(make_curve("clip", "forget", k, clip, arm="prompt"))
    scores.by_name |= {"clip.original": mean_score(clip[:, -1]), "clip.unlearned": mean_score(clip[:, 0])}


def add_classifier_scores(
    scores: Scores, models: SuiteModels, extractor: str, plan: Plan, images: Images, stage: Stage
) -> dict[str, dict[str, FloatArray]]:
    """Fine-tune one extractor on the train block and score both splits with it.

    Returns:
        Per split and score the per-prompt means over ψ, (p,).
    """
    suite, train = models.suite, images["train"]
    # Retain prompts have no train block: half of their reference seeds serve as references, the others are held out.
    retain_reference, retain_held_out = measurements.split_seeds(images["retain reference"])
    classifier = fine_tune(
        extractor,
        models.weights(extractor),
        train.original,
        train.unlearned,
        suite.fine_tune,
        suite.seed_starts.train if suite.fine_tune.seed is None else suite.fine_tune.seed,
        models.device,
    )
    stage.advance()
    splits: dict[Split, tuple[BlockImages, BlockImages, BlockImages, dict[float, int]]] = {
        "forget": (train, images["reference"], images["evaluation"], plan.evaluation.k),
        "retain": (retain_reference, retain_held_out, images["retain"], plan.retain.k),
    }
    means: dict[str, dict[str, FloatArray]] = {}
    for split, (reference, held_out, evaluated, k) in splits.items():
        arrays = measurements.classifier_scores(classifier, reference, held_out, evaluated)
        curves, by_name, means[split] = classifier_results(split, extractor, k, suite.scores, **vars(arrays))
        scores.curves += curves
        scores.by_name |= by_name
    stage.advance()
    return means
