"""Everything an evaluation looks through, loaded once and checked against the digests that the suite pins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from unconceal.checkpoints.base_pipeline import load_base
from unconceal.checkpoints.key_names import parts_of
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.offload import Stage
from unconceal.errors import CheckFailed, EnvironmentFault
from unconceal.estimate.memory import check_memory, free_memory
from unconceal.hub.pinned_models import located
from unconceal.judges import clip, extractors
from unconceal.judges.concept_judge import ConceptJudge
from unconceal.judges.nudenet import NudeNet
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.judge_training import CLIP, refusal
from unconceal.specs.spec import Pinned
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

KID_EXTRACTOR = "resnet18"


def verified_path(pinned: Pinned, root: DataRoot) -> Path:
    """The file or folder that a suite pins, refused when it is missing or another than the one pinned."""
    if pinned.is_draft:
        consequence = "is not pinned, so nobody could tell whether it changed, and nothing can be ranked by it"
        raise CheckFailed(
            "suite.not-pinned",
            pinned.title,
            consequence,
            "make or fetch it, then run `unconceal tasks pin`; `unconceal doctor` lists what is missing",
        )
    if pinned.repo is not None:
        from unconceal.hub.pinned_models import fetch_pinned, pinned_digest

        path = fetch_pinned(pinned)
        digest = pinned_digest(path)
    else:
        path = resolve_path(pinned.path, root)
        if not path.exists():
            remedy = "run `unconceal miniature build --ship`, or reinstall the package"
            raise EnvironmentFault("suite.missing-file", pinned.path, "is not there, so nothing can be evaluated", remedy)
        digest = path_digest(path)
    if digest != pinned.digest:
        consequence = "differs from the digest that suite.yaml pins, so results would not be comparable"
        raise CheckFailed("suite.digest-mismatch", pinned.path, consequence, "restore it, or make a new suite version")
    return path


@dataclass(frozen=True)
class SuiteModels:
    """The base model and the judges of a suite on one device."""

    suite: Suite
    root: DataRoot
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    batch_size: int = 1
    offload: bool = False
    log: Callable[[str], None] = lambda line: None

    @cached_property
    def base(self) -> Any:
        kind = FAMILIES[self.suite.family].pipeline
        pipe = load_base(verified_path(self.suite.base, self.root), "cpu", self.dtype, kind)
        free = free_memory(self.device)
        advice = (
            None if free is None else check_memory(pipe, free, self.batch_size, self.dtype, self.offload, self.suite.sampler.image_size)
        )
        if advice:
            self.log(advice)
        if not self.offload:
            for part in parts_of(pipe).values():
                part.to(self.device)
        return pipe

    @cached_property
    def stage(self) -> Stage | None:
        """Where parts of θ and θ* are brought when they work, if not all of them fit."""
        return Stage(torch.device(self.device)) if self.offload else None

    def weights(self, name: str) -> Path:
        """An extractor's weights."""
        return verified_path(self.suite.judges.extractors[name], self.root)

    @cached_property
    def judge(self) -> ConceptJudge:
        """Of every concept that the suite's tasks ask about. A task's own is asked of :meth:`judge_of`."""
        # The judge itself checks the digests of what it stands on; a tier may need fewer extractors than the suite has.
        folder = verified_path(self.suite.judges.concept, self.root)
        stands_on = {**self.suite.judges.extractors, CLIP: self.suite.judges.clip}
        return ConceptJudge.load(folder, {name: located(pinned, self.root) for name, pinned in stands_on.items()}, self.device)

    def judge_of(self, task: Task) -> ConceptJudge | NudeNet:
        """Who says whether a picture shows a task's concept: the detector that it names, else the concept judge.

        Raises:
            CheckFailed: the concept judge did not pass its gate on this concept.
            EnvironmentFault: the detector is not installed as pinned.
        """
        if task.detector is not None:
            return NudeNet.load(task.detector)
        pinned = self.suite.judges.concept
        refused = refusal(task, verified_path(pinned, self.root), pinned.digest)
        if refused is not None:
            raise refused
        return self.judge

    def check(self, task: Task) -> None:
        """Refuse a task before anything is generated: :meth:`judge_of` it, and of every concept that it retains."""
        self.judge_of(task)
        for prompt in task.retain:
            self.judge.check(prompt.head or "subject", prompt.concept or "")

    @cached_property
    def clip(self) -> clip.Clip:
        return clip.load(verified_path(self.suite.judges.clip, self.root), self.device)

    @cached_property
    def kid_extractor(self) -> extractors.Extractor:
        return extractors.load(KID_EXTRACTOR, self.weights(KID_EXTRACTOR)).to(self.device)

    @property
    def digests(self) -> dict[str, str]:
        """Judge to digest, as a record names them."""
        judges = self.suite.judges
        named = {"concept": judges.concept, "clip": judges.clip, **judges.extractors}
        return {name: pinned.digest for name, pinned in named.items()}
