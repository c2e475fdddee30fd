"""The base model and the judges of a suite, loaded once and checked against the digests that the suite pins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from unconceal.checkpoints.base_pipeline import load_base
from unconceal.checkpoints.key_names import changeable_components
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.offload import Offloader
from unconceal.errors import CheckFailed, EnvironmentFault
from unconceal.estimate.memory import check_memory, free_memory
from unconceal.evaluation.prompt_limits import PromptLimit, load_prompt_limits
from unconceal.hub.pinned_models import local_path
from unconceal.judges import clip, extractors
from unconceal.judges.concept_judge import ConceptJudge
from unconceal.judges.nudenet import NudeNet
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.judge_training import CLIP, gate_error
from unconceal.specs.spec import Pinned
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

KID_EXTRACTOR = "resnet18"


def verified_path(pinned: Pinned, root: DataRoot) -> Path:
    """The file or folder that a suite pins.

    Raises:
        CheckFailed: it is not pinned yet, or its digest differs.
        EnvironmentFault: it is missing.
    """
    if pinned.is_draft:
        consequence = "is not pinned: changes would go unnoticed, so nothing can be ranked by it"
        raise CheckFailed(
            "suite.not-pinned",
            pinned.title,
            consequence,
            "build or download it, then run `unconceal tasks pin`; `unconceal doctor` lists what is missing",
        )
    if pinned.repo is not None:
        from unconceal.hub.pinned_models import fetch_pinned, pinned_digest

        path = fetch_pinned(pinned)
        digest = pinned_digest(path)
    else:
        path = resolve_path(pinned.path, root)
        if not path.exists():
            remedy = "run `python -m unconceal_lab build --ship`, or reinstall the package"
            raise EnvironmentFault("suite.missing-file", pinned.path, "is missing, so nothing can be evaluated", remedy)
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
        kind = FAMILIES[self.suite.family].pipeline_class
        pipeline = load_base(verified_path(self.suite.base, self.root), "cpu", self.dtype, kind)
        free = free_memory(self.device)
        advice = (
            None if free is None else check_memory(pipeline, free, self.batch_size, self.dtype, self.offload, self.suite.sampler.image_size)
        )
        if advice:
            self.log(advice)
        if not self.offload:
            for part in changeable_components(pipeline).values():
                part.to(self.device)
        return pipeline

    @cached_property
    def offloader(self) -> Offloader | None:
        """The device to which parts of θ and θ* are moved while they work; None without offloading."""
        return Offloader(torch.device(self.device)) if self.offload else None

    def weights(self, name: str) -> Path:
        """An extractor's weights."""
        return verified_path(self.suite.judges.extractors[name], self.root)

    @cached_property
    def judge(self) -> ConceptJudge:
        """The concept judge, for all concepts of the suite's tasks; for a task's own concept use :meth:`judge_for`."""
        # The judge checks the digests of its own extractors; a tier may need fewer extractors than the suite has.
        folder = verified_path(self.suite.judges.concept, self.root)
        dependencies = {**self.suite.judges.extractors, CLIP: self.suite.judges.clip}
        return ConceptJudge.load(folder, {name: local_path(pinned, self.root) for name, pinned in dependencies.items()}, self.device)

    def judge_for(self, task: Task) -> ConceptJudge | NudeNet:
        """The judge of a task's concept: the detector that the task names, else the concept judge.

        Raises:
            CheckFailed: the concept judge did not pass its gate on this concept.
            EnvironmentFault: the detector is not installed as pinned.
        """
        if task.detector is not None:
            return NudeNet.load(task.detector)
        pinned = self.suite.judges.concept
        error = gate_error(task, verified_path(pinned, self.root), pinned.digest)
        if error is not None:
            raise error
        return self.judge

    def check(self, task: Task) -> None:
        """Check before anything is generated that the judges know the task's concept and every retained concept.

        Raises:
            CheckFailed: they do not.
            EnvironmentFault: a judge is not installed.
        """
        self.judge_for(task)
        for prompt in task.retain:
            self.judge.check_label(prompt.head or "subject", prompt.concept or "")

    @cached_property
    def clip(self) -> clip.Clip:
        return clip.load(verified_path(self.suite.judges.clip, self.root), self.device)

    @cached_property
    def prompt_limits(self) -> tuple[PromptLimit, ...]:
        """The tokenizers of the base and of CLIP."""
        return load_prompt_limits(*(verified_path(pinned, self.root) for pinned in (self.suite.base, self.suite.judges.clip)))

    @cached_property
    def kid_extractor(self) -> extractors.Extractor:
        return extractors.load(KID_EXTRACTOR, self.weights(KID_EXTRACTOR)).to(self.device)

    @property
    def digests(self) -> dict[str, str]:
        """Digests by judge, as in a record."""
        judges = self.suite.judges
        pinned = {"concept": judges.concept, "clip": judges.clip, **judges.extractors}
        return {name: model.digest for name, model in pinned.items()}
