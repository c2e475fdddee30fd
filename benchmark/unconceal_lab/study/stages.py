"""The stages that measure a member: presence over ψ, every score of its record, and relearning speed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

import numpy as np

from unconceal.evaluation import measurements
from unconceal.evaluation.measurements import BlockImages
from unconceal.evaluation.protocols import PROTOCOLS
from unconceal.files import write_atomically
from unconceal.generate.generator import Generator, count_forward_passes
from unconceal.miniature.captions import wordings
from unconceal.specs.digests import canonical_digest
from unconceal_lab.models.classifiers import classify
from unconceal_lab.study import control_concepts
from unconceal_lab.study.population import Member
from unconceal_lab.study.relearning import LearningCurve, measure_learning, relative_area
from unconceal_lab.study.settings import SETTINGS
from unconceal_lab.study.study import LoadedMember, Study
from unconceal_lab.study.study_rows import rounded_rates


def presence(study: Study, member: Member) -> Mapping[str, object]:
    """Presence in both arms and on retain prompts, and the response to prompts without the concept's name."""
    loaded, task = study.load(member), study.task(member)
    plan = study.plan(member, loaded.digest)
    blocks = (plan.evaluation, plan.retain)
    total = sum(count_forward_passes(shard) for block in blocks for shard in (*block.trajectories, *block.handovers))
    stage = study.build_dir.progress.stage(f"{member.name} on {member.task}", total)
    generator = Generator(study.evaluation.store, loaded.original, loaded.unlearned, stage.advance)
    evaluation_images, retain_images = (measurements.generate_block(generator, block) for block in blocks)
    judge = study.judge
    by_arm = {arm: rounded_rates(answers.mean(axis=1)) for arm, answers in measurements.presence(judge, evaluation_images, task).items()}
    seeds = study.evaluation.tier.seeds
    return {
        "weights": loaded.digest,
        "psi": tuple(plan.evaluation.k),
        "images": seeds.evaluation,
        **by_arm,
        "retain_psi": tuple(plan.retain.k),
        "retain": rounded_rates(measurements.retained_presence(judge, retain_images, task)["prompt"].mean(axis=1)),
        "retain_images": seeds.retain,
        "unseen": unseen_wordings(study, member, evaluation_images),
    }


def unseen_wordings(study: Study, member: Member, images: BlockImages) -> float:
    """Share of images at ψ = 0 in which the drawings classifier sees the concept, over prompts that do not name it.

    Unlearners are given the name alone, so they never saw these wordings.
    """
    task = study.task(member)
    forms = [form.replace("{}", "").strip() for form in wordings(member.concept) if member.concept in form]
    texts = [prompt.text for prompt in task.forget[: images.unlearned.prompts]]
    indices = [i for i, text in enumerate(texts) if not any(form in text for form in forms)]
    pixels = np.concatenate([prompt_images for i, prompt_images in enumerate(images.unlearned.by_prompt()) if i in indices])
    labels = classify(study.build_dir.image_classifier, pixels)[task.judge.head]
    return float(np.mean([label == task.judge.label for label in labels]))


def scores(study: Study, member: Member) -> Mapping[str, object]:
    """Every score of the member's record that needs no gold, from the published record if the weights are the same."""
    digest = study.load(member).digest
    task, submission = study.task(member), study.submission(member)
    record = study.published_record(member, digest) or study.evaluation.stored_record(task, submission)
    if record is None:
        protocol = PROTOCOLS[study.setting_config.protocol]
        record = protocol.measure(study.evaluation, task, submission, *protocol.load(study.evaluation, task, submission))
    weights = record.checkpoint.sha256 or study.suite.base.digest
    return {"weights": weights, "scores": {name: score.value for name, score in record.scores.items()}}


def relearning(study: Study, member: Member) -> Mapping[str, object]:
    """Learning curves of the concept and of a control concept."""
    loaded = study.load(member)
    control_concept = control_concepts.CONTROL_CONCEPTS[member.category]
    concept, control = (learning_curve(study, loaded, name) for name in (member.concept, control_concept))
    return {
        "weights": loaded.digest,
        "relearning": relative_area(concept, control),
        "learnt": (concept.area, control.area),
        "relearning_rates": rounded_rates((concept.rates, control.rates)),
    }


def learning_curve(study: Study, loaded: LoadedMember, concept: str) -> LearningCurve:
    """A model's learning curve, cached: models that serve several tasks learn a control concept once."""
    key = canonical_digest([loaded.digest, concept, asdict(study.recipe)])
    path = study.folder / "learning" / f"{key}.json"
    if not path.exists():
        rate = partial(control_concepts.concept_rate, study.control_classifier, concept=concept)
        curve = measure_learning(loaded.unlearned.pipeline, concept, rate, study.recipe, study.build_dir.progress.log)
        write_atomically(path, json.dumps(curve).encode())
    steps, rates, minutes = json.loads(path.read_text())
    return LearningCurve(tuple(steps), tuple(rates), minutes)


class MeasurementStage(NamedTuple):
    """One part of a member's measurements.

    Attributes:
        result_field: Field of the row that is empty until the stage is measured.
        minutes: Expected minutes on one thread.
        measure: Returns fields of the row, ``weights`` among them.
        full_models: Whether it also applies to models that are no checkpoint of the base.
    """

    name: str
    result_field: str
    minutes: float
    measure: Callable[[Study, Member], Mapping[str, object]]
    full_models: bool = False

    def applies_to(self, member: Member, setting: str) -> bool:
        """Whether the stage is measured for a member under a setting."""
        return self.name == SETTINGS[setting].stage if setting else self.full_models or not member.full_model


STAGES = (
    MeasurementStage("presence", "prompt", 1.2, presence, full_models=True),
    MeasurementStage("scores", "scores", 1.2, scores),
    MeasurementStage("relearning", "relearning_rates", 1.2, relearning),
)
UNLEARNING_MINUTES = 1.2
"""Expected processor minutes of an unlearner."""
