"""What a probe is: a treatment of one model that yields images, in which the judge looks for the concept.

θ, every gold and θ* get the same treatment. A model that never saw the concept says how much of what comes back is due to the treatment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from unconceal.diffusion.families import FAMILIES, Family
from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import Model
from unconceal.errors import CheckFailed
from unconceal.generate.identity import image_seed
from unconceal.generate.image_cache import BATCH_IMAGES, Pixels
from unconceal.judges.concept_judge import PresenceJudge
from unconceal.specs.battery import Battery, ProbeError
from unconceal.specs.inference_rule import InferenceRule
from unconceal.specs.record import probe_title
from unconceal.specs.suite import DECIDING_ARMS, Arm, Suite, Tier
from unconceal.specs.task import Task

ARM_LEVELS: dict[Arm, str] = {arm: probe_title(arm) for arm in DECIDING_ARMS}
"""Arms of the handover that probes use, and what their levels are called."""


class Cost(NamedTuple):
    """Passes of the denoiser, in images."""

    forward_passes: int
    backward_passes: int = 0

    @property
    def work(self) -> int:
        """In forward passes; a backward pass takes as long as two."""
        return self.forward_passes + 2 * self.backward_passes


@dataclass(frozen=True)
class Examples:
    """Images of θ as clean latents.

    Attributes:
        prompts: (n,) texts that they were generated for.
        latents: (n, …).
    """

    prompts: tuple[str, ...]
    latents: torch.Tensor

    def __len__(self) -> int:
        return len(self.prompts)

    def select(self, rows: Sequence[int]) -> Examples:
        """Some of the images."""
        return Examples(tuple(self.prompts[row] for row in rows), self.latents[list(rows)])

    def first_of_each_prompt(self) -> Examples:
        """One image of every prompt that has any."""
        return self.select([self.prompts.index(prompt) for prompt in dict.fromkeys(self.prompts)])


@dataclass(frozen=True)
class ProbeScope:
    """What is known before any model is loaded. ``forget``: the tier's forget prompts; ``rule``: of the probed model."""

    suite: Suite
    forget: tuple[str, ...]
    rule: InferenceRule | None = None

    @classmethod
    def from_specs(cls, suite: Suite, tier: Tier, task: Task) -> ProbeScope:
        """The suite with the battery's number of steps, and the tier's prompts."""
        steps = suite.battery.num_inference_steps or suite.sampler.num_inference_steps
        sampler = suite.sampler.model_copy(update={"num_inference_steps": steps})
        return cls(suite.model_copy(update={"sampler": sampler}), tuple(prompt.text for prompt in task.forget[: tier.n_prompts]))

    @property
    def battery(self) -> Battery:
        return self.suite.battery

    @property
    def guided_passes(self) -> int:
        """Forward passes of one guided image from noise."""
        return self.family.step_passes(self.rule).guided * self.suite.sampler.num_inference_steps

    @property
    def passes_in_both_arms(self) -> int:
        """Forward passes of one step of a guided and of an unguided image."""
        return self.family.step_passes(self.rule).both_arms

    @property
    def family(self) -> Family:
        return FAMILIES[self.suite.family]

    def handover_steps(self, psi: tuple[float, ...]) -> dict[float, int]:
        """k of each ψ."""
        sampler = self.suite.sampler
        return self.family.handovers(psi, self.family.levels(sampler), sampler.num_train_timesteps)

    def steps_after(self, psi: tuple[float, ...]) -> int:
        """Steps that remain after the handovers, summed over the distinct k of ψ."""
        return sum(self.suite.sampler.num_inference_steps - k for k in set(self.handover_steps(psi).values()))

    def first_prompts(self, n: int) -> tuple[str, ...]:
        """At most ``n`` of the forget prompts."""
        return self.forget[:n]


@dataclass(frozen=True)
class ProbeInputs:
    """What every probe works on.

    Attributes:
        scope: suite and prompts.
        task: what is evaluated.
        original: θ: its embedding of the empty prompt, its VAE.
        model: the model that is probed: θ, a gold or θ*.
        examples: images of θ that show the concept; ``retained``: images of θ for the retain prompts.
        judge: finds the concept in images.
        batch_size: rows in one call of the denoiser.
        advance: called with numbers of forward passes.
    """

    scope: ProbeScope
    task: Task
    original: Model
    model: Model
    examples: Examples
    retained: Examples
    judge: PresenceJudge
    batch_size: int
    advance: Callable[[int], None] = lambda forward_passes: None

    @property
    def battery(self) -> Battery:
        return self.scope.battery

    def of_original(self) -> ProbeInputs:
        """The same for θ."""
        return replace(self, model=self.original, scope=replace(self.scope, rule=None))

    def seeds(self, prompts: Sequence[str], per_prompt: int = 1) -> list[int]:
        """Seeds of the battery's own images, ``per_prompt`` for each prompt."""
        start = self.battery.seed_start
        return [image_seed(start, prompt, index) for prompt in prompts for index in range(per_prompt)]

    def example_of_each_prompt(self, n: int) -> Examples:
        """One image of θ for each of at most ``n`` prompts that it follows.

        Raises:
            CheckFailed: there is none.
        """
        examples = self.examples.first_of_each_prompt()
        if not len(examples):
            raise too_few_examples(0, 1)
        return examples.select(range(min(n, len(examples))))

    def generate(self, model: Model, prompts: Sequence[str], seeds: Sequence[int]) -> Pixels:
        """Guided images of n prompts from the noise of n seeds."""
        run = run_original(model, prompts, seeds, (model.steps,), self.batch_size)
        self.advance(run.forward_passes)
        return self.decode(run.latents[model.steps])

    def decode(self, latents: torch.Tensor) -> Pixels:
        """Images by θ's VAE.

        Raises:
            CheckFailed: the latents are not finite.
        """
        if not torch.isfinite(latents).all():
            raise diverged("generated latents are not finite")
        return self.original.decode(latents, self.batch_size)

    def shows(self, pixels: Pixels) -> NDArray[np.bool_]:
        """Whether each image (n, h, w, 3) shows the concept, (n,)."""
        reference = self.task.judge
        return np.concatenate([self.judge.shows(group, reference.head, reference.label) for group in judged_groups(pixels)])

    def presence_scores(self, pixels: Pixels) -> NDArray[np.float64]:
        """How surely each image (n, h, w, 3) shows the concept, (n,), 0 to 1."""
        reference = self.task.judge
        return np.concatenate([self.judge.presence_scores(group, reference.head, reference.label) for group in judged_groups(pixels)])


def judged_groups(pixels: Pixels) -> Iterator[Pixels]:
    """Images in groups that a judge takes at once."""
    return (pixels[start : start + BATCH_IMAGES] for start in range(0, len(pixels), BATCH_IMAGES))


class BatteryPlan(NamedTuple):
    """The shape of a probe's results and its cost, known before any model is loaded.

    Attributes:
        images_per_prompt: s.
        levels: names of the treatments of different strength.
        scored: the levels that the probe's score may use.
        cost: passes of the denoiser, if θ follows every prompt.
        by_majority: whether a prompt counts as one success where most of its images show the concept.
    """

    images_per_prompt: int
    levels: tuple[str, ...]
    scored: tuple[str, ...]
    cost: Cost
    by_majority: bool = False


class Probe(NamedTuple):
    """One probe.

    Attributes:
        plan: shape and cost.
        generate: images (p · s, h, w, 3) by level, prompt by prompt.
    """

    plan: Callable[[ProbeScope], BatteryPlan]
    generate: Callable[[ProbeInputs], dict[str, Pixels]]


def diverged(value: str) -> CheckFailed:
    """The error of a probe whose training or generation yields no numbers."""
    return CheckFailed("probe.diverged", value, "so this probe says nothing of the model", "use a smaller learning rate, or float32")


def recorded_error(error: CheckFailed | NotImplementedError) -> ProbeError:
    """The code that a record holds for a probe that went wrong; an error that is none of a probe's is raised again."""
    if isinstance(error, NotImplementedError):
        return "probe.unsupported"
    if error.code not in get_args(ProbeError):
        raise error
    return cast(ProbeError, error.code)


def too_few_examples(n: int, needed: int) -> CheckFailed:
    """The error of a probe that has too few images of the concept to work with."""
    value = f"{n} of θ's images show the concept, and {needed} are needed"
    return CheckFailed("probe.too-few-examples", value, "so this probe was not run", "give the task more prompts that θ follows")
