"""Where the study works, and every member made ready to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from torch import nn

from unconceal.checkpoints.apply import apply
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.plan import Plan, build_plan
from unconceal.judges.concept_judge import ConceptJudge
from unconceal.paths import DataRoot
from unconceal.specs.digests import canonical_digest, file_digest
from unconceal.specs.record import Record, read_record, record_path
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.miniature_judge import refitted
from unconceal_lab.build.task_prompts import task_of
from unconceal_lab.models import denoiser
from unconceal_lab.study import control_concepts
from unconceal_lab.study.population import Member, make_weights
from unconceal_lab.study.relearning import Recipe
from unconceal_lab.study.settings import SETTINGS, USUAL, Setting
from unconceal_lab.study.study_rows import Row, merged


class Subject(NamedTuple):
    """A member ready to be measured: θ, the member as θ*, and the digest that its pictures are stored under."""

    original: StableDiffusion
    unlearned: StableDiffusion
    digest: str


@dataclass
class Study:
    """The study's place: a folder of the workshop that holds weights, records and rows.

    ``known``: rows measured before; ``results``: folders of published records; ``setting``: a name of ``SETTINGS``.
    """

    shop: BuildDir
    root: DataRoot
    suite: Suite
    known: Sequence[Row] = ()
    results: Sequence[Path] = ()
    setting: str = USUAL
    recipe: Recipe = field(default_factory=Recipe)

    @classmethod
    def of(cls, shop: BuildDir, data: DataRoot, published: Suite, known: Sequence[Row] = (), setting: str = USUAL) -> Study:
        """The study in ``shop``, on what ``published`` measures by; ``data`` tells where the tree and the store are."""
        folder = shop.folder / "study"
        results = folder / "results" / slug(setting) if setting else folder / "results"
        place = replace(data, submissions=folder / "submissions", results=results, read_only=False)
        published_too = () if setting else data.result_folders
        return cls(shop, place, SETTINGS[setting].suite(published), known, published_too, setting)

    @property
    def folder(self) -> Path:
        return self.root.submissions.parent

    @cached_property
    def evaluation(self) -> Evaluation:
        protocol = self.under.protocol
        return Evaluation(self.suite, self.root, "full", threads=1, progress=self.shop.progress, protocol=protocol)

    @property
    def under(self) -> Setting:
        return SETTINGS[self.setting]

    @cached_property
    def judge(self) -> ConceptJudge:
        """The suite's concept judge, or one of another training."""
        return refitted(self.shop, self.under.judge) if self.under.judge else self.evaluation.instruments.judge

    @cached_property
    def seen(self) -> nn.Module:
        """The classifier that tells what relearning models draw."""
        return control_concepts.classifier(self.shop)

    def task(self, member: Member) -> Task:
        return task_of(member.concept, member.category)

    def submission(self, member: Member) -> Submission:
        """The member as a submission of its task alone."""
        path = member.place(self.folder).relative_to(self.folder).as_posix()
        checkpoint = Checkpoint(format="original") if member.make is None else Checkpoint(path=path)
        told = f"{member.kind} model of the study"
        return Submission(
            name=member.name, suite=self.suite.name, title=member.name, description=told, checkpoints={member.task: checkpoint}
        )

    def subject(self, member: Member) -> Subject:
        """The member, made first where it is missing."""
        make_weights(self.shop, member, self.folder)
        base, sampler = self.evaluation.instruments.base, self.suite.sampler
        pipe, digest = base, self.suite.base.digest
        if member.whole:
            pipe = denoiser.pipeline(self.shop.denoiser(member.whole), self.shop.vae, self.shop.tokenizer)
            digest = file_digest(self.shop.folder / f"{member.whole}.pt")
        elif member.make:
            pipe, applied = apply(base, member.place(self.folder))
            digest = applied.sha256 or digest
        original, unlearned = (StableDiffusion(part, sampler.steps, sampler.guidance) for part in (base, pipe))
        return Subject(original, unlearned, digest)

    def plan(self, member: Member, digest: str = "") -> Plan:
        layout, tier = self.evaluation.layout, self.evaluation.tier
        return build_plan(self.suite, tier, self.task(member), self.suite.base.digest, digest or self.suite.base.digest, layout)

    def asked(self, member: Member) -> str:
        """Digest of what decides a row beside the weights: θ's trajectories, hence prompts, seeds and sampler, and who judges."""
        plan, judge = self.plan(member), self.suite.judges.concept.digest
        shards = [shard.digest for block in (plan.evaluation, plan.retain) for shard in block.trajectories]
        return canonical_digest([*shards, judge, self.task(member).judge.content(), *([self.setting] if self.setting else [])])

    def published(self, member: Member, digest: str) -> Record | None:
        """The record of the same weights in results/, where there is one; that of θ itself names none beside the base."""
        for folder in self.results:
            path = record_path(folder, self.suite.id, member.task, member.published, self.suite.protocol, "full")
            if path.exists() and ((record := read_record(path)).checkpoint.sha256 or self.suite.base.digest) == digest:
                return record
        return None

    def place(self, member: Member) -> Path:
        return self.folder / "rows" / member.task / f"{slug(f'{member.name} {self.setting}')}.json"

    def row(self, member: Member) -> Row:
        """What is measured of a member so far, under what it is asked today."""
        asked = self.asked(member)
        place = self.place(member)
        own = [Row.model_validate_json(place.read_bytes())] if place.exists() else []
        before = [row for row in self.known if (row.task, row.name, row.setting) == (member.task, member.name, self.setting)]
        empty = Row(
            task=member.task,
            name=member.name,
            kind=member.kind,
            truth=member.truth,
            share=member.share,
            held_out=member.held_out,
            setting=self.setting,
            asked=asked,
        )
        return next((row for row in (*own, *before) if row.asked == asked), empty)

    def rows(self, wanted: Sequence[Member]) -> list[Row]:
        """Every row of which something is measured, known ones of other members included."""
        return merged(self.known, [row for member in wanted if (row := self.row(member)).prompt or row.scores])


def slug(name: str) -> str:
    """A file's name: ``gold 50 steps`` is ``gold-50-steps``."""
    return name.strip().replace(" ", "-")
