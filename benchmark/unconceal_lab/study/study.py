"""The study's folder in a build directory, and its members loaded for measurement."""

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
from unconceal_lab.build.miniature_judge import refit_judge
from unconceal_lab.build.task_prompts import build_task
from unconceal_lab.models import denoiser
from unconceal_lab.study import control_concepts
from unconceal_lab.study.population import Member, write_weights
from unconceal_lab.study.relearning import RelearningRecipe
from unconceal_lab.study.settings import SETTINGS, USUAL, Setting
from unconceal_lab.study.study_rows import Row, merge_rows


class LoadedMember(NamedTuple):
    """θ, the member as θ*, and the digest of its weights, under which its images are stored."""

    original: StableDiffusion
    unlearned: StableDiffusion
    digest: str


@dataclass
class Study:
    """The study under one setting.

    Attributes:
        build_dir: The build directory; the study's folder in it holds weights, records and rows.
        root: Data root whose submissions and results are the study's.
        suite: The suite as the setting changes it.
        measured_rows: Rows that are measured already.
        results: Folders of published records.
        setting: A name of ``SETTINGS``.
        recipe: The training that measures relearning.
    """

    build_dir: BuildDir
    root: DataRoot
    suite: Suite
    measured_rows: Sequence[Row] = ()
    results: Sequence[Path] = ()
    setting: str = USUAL
    recipe: RelearningRecipe = field(default_factory=RelearningRecipe)

    @classmethod
    def open(cls, build_dir: BuildDir, root: DataRoot, suite: Suite, measured_rows: Sequence[Row] = (), setting: str = USUAL) -> Study:
        """The study in a build directory, of a published suite; ``root`` holds the source tree and the store."""
        folder = build_dir.folder / "study"
        results = folder / "results" / slug(setting) if setting else folder / "results"
        study_root = replace(root, submissions=folder / "submissions", results=results, read_only=False)
        published_results = () if setting else root.result_folders
        return cls(build_dir, study_root, SETTINGS[setting].apply(suite), measured_rows, published_results, setting)

    @property
    def folder(self) -> Path:
        return self.root.submissions.parent

    @cached_property
    def evaluation(self) -> Evaluation:
        protocol = self.setting_config.protocol
        return Evaluation(self.suite, self.root, "full", threads=1, progress=self.build_dir.progress, protocol=protocol)

    @property
    def setting_config(self) -> Setting:
        return SETTINGS[self.setting]

    @cached_property
    def judge(self) -> ConceptJudge:
        """The suite's concept judge, or that of another training."""
        number = self.setting_config.judge
        return refit_judge(self.build_dir, number) if number else self.evaluation.suite_models.judge

    @cached_property
    def control_classifier(self) -> nn.Module:
        """The classifier that labels the images of relearning models."""
        return control_concepts.load_classifier(self.build_dir)

    def task(self, member: Member) -> Task:
        return build_task(member.concept, member.category)

    def submission(self, member: Member) -> Submission:
        """The member as a submission of its task alone."""
        path = member.weights_path(self.folder).relative_to(self.folder).as_posix()
        checkpoint = Checkpoint(format="original") if member.build_weights is None else Checkpoint(path=path)
        description = f"{member.kind} model of the study"
        return Submission(
            name=member.name, suite=self.suite.name, title=member.name, description=description, checkpoints={member.task: checkpoint}
        )

    def load(self, member: Member) -> LoadedMember:
        """Load the member; its weights are built first if they do not exist."""
        write_weights(self.build_dir, member, self.folder)
        base, sampler = self.evaluation.suite_models.base, self.suite.sampler
        pipeline, digest = base, self.suite.base.digest
        if member.full_model:
            state = self.build_dir.denoiser(member.full_model)
            pipeline = denoiser.to_pipeline(state, self.build_dir.vae, self.build_dir.tokenizer)
            digest = file_digest(self.build_dir.folder / f"{member.full_model}.pt")
        elif member.build_weights:
            pipeline, applied = apply(base, member.weights_path(self.folder))
            digest = applied.sha256 or digest
        original, unlearned = (StableDiffusion(part, sampler.num_inference_steps, sampler.guidance_scale) for part in (base, pipeline))
        return LoadedMember(original, unlearned, digest)

    def plan(self, member: Member, digest: str = "") -> Plan:
        base_digest = self.suite.base.digest
        compute = self.evaluation.compute_config
        return build_plan(self.suite, self.evaluation.tier, self.task(member), base_digest, digest or base_digest, compute)

    def protocol_digest(self, member: Member) -> str:
        """Digest of everything but the weights that a row depends on: θ's trajectories (prompts, seeds, sampler) and the judge."""
        plan, judge = self.plan(member), self.suite.judges.concept.digest
        shards = [shard.digest for block in (plan.evaluation, plan.retain) for shard in block.trajectories]
        return canonical_digest([*shards, judge, self.task(member).judge.content(), *([self.setting] if self.setting else [])])

    def published_record(self, member: Member, digest: str) -> Record | None:
        """The published record of the same weights, if there is one; the record of θ itself has the base's digest."""
        for folder in self.results:
            path = record_path(folder, self.suite.id, member.task, member.submission_name, self.suite.protocol, "full")
            if path.exists() and ((record := read_record(path)).checkpoint.sha256 or self.suite.base.digest) == digest:
                return record
        return None

    def row_path(self, member: Member) -> Path:
        return self.folder / "rows" / member.task / f"{slug(f'{member.name} {self.setting}')}.json"

    def row(self, member: Member) -> Row:
        """The member's measurements so far under the present protocol digest."""
        digest = self.protocol_digest(member)
        path = self.row_path(member)
        stored = [Row.model_validate_json(path.read_bytes())] if path.exists() else []
        earlier = [row for row in self.measured_rows if (row.task, row.name, row.setting) == (member.task, member.name, self.setting)]
        empty = Row(
            task=member.task,
            name=member.name,
            kind=member.kind,
            truth=member.truth,
            share=member.share,
            held_out=member.held_out,
            setting=self.setting,
            protocol_digest=digest,
        )
        return next((row for row in (*stored, *earlier) if row.protocol_digest == digest), empty)

    def rows(self, members: Sequence[Member]) -> list[Row]:
        """Every row with measurements, rows of other members included."""
        return merge_rows(self.measured_rows, [row for member in members if (row := self.row(member)).prompt or row.scores])


def slug(name: str) -> str:
    """A file name: ``gold 50 steps`` becomes ``gold-50-steps``."""
    return name.strip().replace(" ", "-")
