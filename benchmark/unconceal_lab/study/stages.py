"""What is measured of a member, stage by stage: what it completes, every score of its record, how fast it learns again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
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
from unconceal_lab.study.relearning import Learning, relative_area, relearn
from unconceal_lab.study.settings import SETTINGS
from unconceal_lab.study.study import Study, Subject
from unconceal_lab.study.study_rows import plain


def presence(study: Study, member: Member) -> Mapping[str, object]:
    """Presence in both arms, what becomes of retained concepts, and the model's answer to wordings without the name."""
    subject, task = study.subject(member), study.task(member)
    plan = study.plan(member, subject.digest)
    blocks = (plan.evaluation, plan.retain)
    stage = study.shop.progress.stage(
        f"{member.name} on {member.task}", sum(count_forward_passes(s) for b in blocks for s in (*b.trajectories, *b.handovers))
    )
    worker = Generator(study.evaluation.store, subject.original, subject.unlearned, stage.advance)
    evaluation_images, retain_images = (measurements.generate_block(worker, block) for block in blocks)
    judge = study.judge
    by_arm = {arm: plain(answers.mean(axis=1)) for arm, answers in measurements.presence(judge, evaluation_images, task).items()}
    seeds = study.evaluation.tier.seeds
    return {
        "weights": subject.digest,
        "psi": tuple(plan.evaluation.k),
        "images": seeds.evaluation,
        **by_arm,
        "retain_psi": tuple(plan.retain.k),
        "retain": plain(measurements.retained_presence(judge, retain_images, task).mean(axis=1)),
        "retain_images": seeds.retain,
        "unseen": unseen_wordings(study, member, evaluation_images),
    }


def unseen_wordings(study: Study, member: Member, pictures: BlockImages) -> float:
    """What the drawings classifier sees at ψ = 0 when the concept is asked for without its name.

    Unlearners are told the name alone, so these are words that they never saw.
    """
    task = study.task(member)
    wordings_with_name = [form.replace("{}", "").strip() for form in wordings(member.concept) if member.concept in form]
    texts = [prompt.text for prompt in task.forget[: pictures.unlearned.prompts]]
    chosen = [i for i, text in enumerate(texts) if not any(form in text for form in wordings_with_name)]
    pixels = np.concatenate([prompt_images for i, prompt_images in enumerate(pictures.unlearned.by_prompt()) if i in chosen])
    labels = classify(study.shop.image_classifier, pixels)[task.judge.head]
    return float(np.mean([name == task.judge.label for name in labels]))


def scores(study: Study, member: Member) -> Mapping[str, object]:
    """Every score of the member's record that needs no gold: the published record's where the weights are the same."""
    digest = study.subject(member).digest
    task, submission = study.task(member), study.submission(member)
    record = study.published(member, digest) or study.evaluation.stored_record(task, submission)
    if record is None:
        protocol = PROTOCOLS[study.under.protocol]
        record = protocol.measure(study.evaluation, task, submission, *protocol.load(study.evaluation, task, submission))
    return {"scores": {name: score.value for name, score in record.scores.items()}}


def relearning(study: Study, member: Member) -> Mapping[str, object]:
    """How fast the concept is learnt, and how fast something new."""
    subject = study.subject(member)
    concept, newcomer = (learning(study, subject, name) for name in (member.concept, control_concepts.NEWCOMERS[member.category]))
    return {
        "relearning": relative_area(concept, newcomer),
        "learnt": (concept.area, newcomer.area),
        "relearning_rates": plain((concept.rates, newcomer.rates)),
    }


def learning(study: Study, subject: Subject, concept: str) -> Learning:
    """A model's learning curve, kept: models that serve several tasks learn a newcomer once."""
    under = canonical_digest([subject.digest, concept, asdict(study.recipe)])
    path = study.folder / "learning" / f"{under}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        learnt = relearn(subject.unlearned.pipeline, concept, study.seen, study.recipe, study.shop.progress.log)
        write_atomically(path, json.dumps(learnt).encode())
    steps, rates, minutes = json.loads(path.read_text())
    return Learning(tuple(steps), tuple(rates), minutes)


class Stage(NamedTuple):
    """A part of what is measured. ``fills``: the field that tells whether it was; ``minutes``: expected, one thread."""

    name: str
    fills: str
    minutes: float
    measure: Callable[[Study, Member], Mapping[str, object]]
    everywhere: bool = False
    """Whether it is also measured of models that are no checkpoint of the base."""

    def of(self, member: Member, setting: str) -> bool:
        """Whether it is measured of a member under a setting."""
        return self.name == SETTINGS[setting].stage if setting else self.everywhere or not member.whole


STAGES = (
    Stage("presence", "prompt", 1.2, presence, everywhere=True),
    Stage("scores", "scores", 1.2, scores),
    Stage("relearning", "relearning_rates", 1.2, relearning),
)
MAKING = 1.2
"""Expected processor minutes of an unlearner."""
