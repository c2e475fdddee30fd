"""What is measured: a suite's task and submissions, whole or with fewer prompts, which every table says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from unconceal.evaluation.evaluation import Evaluation
from unconceal.paths import DataRoot
from unconceal.progress import Plain
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite, TierName
from unconceal.specs.task import Task


@dataclass(frozen=True)
class Sample:
    """``prompts``: only the first so many forget and retain prompts; None: all of the tier's. ``seeds``: times as many of each block."""

    root: DataRoot
    suite: str
    task: str
    submissions: tuple[str, ...]
    tier: TierName = "lite"
    prompts: int | None = None
    seeds: int = 1
    steps: int | None = None
    threads: int = 1
    batch: int = 128
    device: str = "cpu"
    dtype: str = "float32"
    options: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """In words."""
        prompts = "all prompts" if self.prompts is None else f"the first {self.prompts} forget and retain prompts"
        steps = f", {self.steps} steps" if self.steps else ""
        names = ", ".join(self.submissions)
        machine = f"{self.device}, {self.dtype}, threads {self.threads}"
        return f"{names} on {self.task}, suite {self.suite}, tier {self.tier}, {prompts}{steps}; {machine}"

    def suite_of(self) -> Suite:
        """The suite with the sample's counts."""
        suite = load_suite(self.root, self.suite)
        tier = suite.tiers[self.tier]
        more = {name: count * self.seeds for name, count in tier.seeds.model_dump().items()}
        changed = tier.model_copy(update={"seeds": tier.seeds.model_copy(update=more)})
        if self.prompts is not None:
            changed = changed.model_copy(update={"prompts": self.prompts, "retain_prompts": self.prompts})
        sampler = suite.sampler.model_copy(update={"steps": self.steps}) if self.steps else suite.sampler
        return suite.model_copy(update={"tiers": {**suite.tiers, self.tier: changed}, "sampler": sampler})

    def evaluation(self, folder: Path) -> Evaluation:
        """With a store and results of its own below ``folder``."""
        place = replace(self.root, store=folder / "store", results=folder / "results")
        return Evaluation(
            self.suite_of(), place, self.tier, self.device, self.dtype, self.threads, self.batch, options=self.options, progress=Plain()
        )

    def pairs(self) -> list[tuple[Task, Submission]]:
        task = load_task(self.root, f"{self.suite}:{self.task}")
        return [(task, load_submission(self.root, f"{self.suite}/{name}")) for name in self.submissions]
