"""The task and submissions that a benchmark measures, with all prompts or the first few."""

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
class BenchSample:
    """What to evaluate and how.

    Attributes:
        prompts: Number of forget and retain prompts; None: all of the tier.
        seeds: Factor on the seeds of every block.
        steps: Sampler steps; None: the suite's.
        optimizations: As in :class:`~unconceal.evaluation.evaluation.Evaluation`.
    """

    root: DataRoot
    suite: str
    task: str
    submissions: tuple[str, ...]
    tier: TierName = "quick"
    prompts: int | None = None
    seeds: int = 1
    steps: int | None = None
    threads: int = 1
    batch_size: int = 128
    device: str = "cpu"
    dtype: str = "float32"
    optimizations: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """One line for the captions of tables."""
        prompts = "all prompts" if self.prompts is None else f"the first {self.prompts} forget and retain prompts"
        steps = f", {self.steps} steps" if self.steps else ""
        names = ", ".join(self.submissions)
        compute = f"{self.device}, {self.dtype}, threads {self.threads}"
        return f"{names} on {self.task}, suite {self.suite}, tier {self.tier}, {prompts}{steps}; {compute}"

    def reduced_suite(self) -> Suite:
        """The suite with the sample's numbers of prompts, seeds and steps."""
        suite = load_suite(self.root, self.suite)
        tier = suite.tiers[self.tier]
        seeds = {name: count * self.seeds for name, count in tier.seeds.model_dump().items()}
        reduced = tier.model_copy(update={"seeds": tier.seeds.model_copy(update=seeds)})
        if self.prompts is not None:
            reduced = reduced.model_copy(update={"n_prompts": self.prompts, "n_retain_prompts": self.prompts})
        sampler = suite.sampler.model_copy(update={"num_inference_steps": self.steps}) if self.steps else suite.sampler
        return suite.model_copy(update={"tiers": {**suite.tiers, self.tier: reduced}, "sampler": sampler})

    def evaluation(self, folder: Path) -> Evaluation:
        """An evaluation with its own store and results in ``folder``."""
        root = replace(self.root, store=folder / "store", results=folder / "results")
        return Evaluation(
            self.reduced_suite(),
            root,
            self.tier,
            self.device,
            self.dtype,
            self.threads,
            self.batch_size,
            optimizations=self.optimizations,
            progress=Plain(),
        )

    def pairs(self) -> list[tuple[Task, Submission]]:
        task = load_task(self.root, f"{self.suite}:{self.task}")
        return [(task, load_submission(self.root, f"{self.suite}/{name}")) for name in self.submissions]
