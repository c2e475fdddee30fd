"""Runs a first look: images of θ and θ* over ψ in both arms, judged by zero-shot CLIP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from unconceal.battery.probe import Examples, ProbeInputs, ProbeScope
from unconceal.battery.relearning import learn, level_name
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import Arm, hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.errors import CheckFailed, UsageError
from unconceal.evaluation.curves import mean_score, presence_curves, rate_score
from unconceal.first_look.look_result import JudgeReliability, LookResult, conclude, notes_of
from unconceal.first_look.look_sources import Base, Loader, find_base, find_model, find_weights, with_steps
from unconceal.first_look.look_task import look_task, look_wording
from unconceal.first_look.zero_shot_judge import ZeroShotJudge
from unconceal.generate.generator import has_other_decoder
from unconceal.generate.identity import image_seed
from unconceal.generate.image_cache import Pixels
from unconceal.hub.pinned_models import local_path
from unconceal.judges import clip
from unconceal.metrics.presence import excess_retrieval
from unconceal.metrics.statistics import FloatArray
from unconceal.paths import DataRoot
from unconceal.progress import Progress, Silent
from unconceal.specs.loader import load_suite, suite_names
from unconceal.specs.record import Score
from unconceal.specs.submission import Checkpoint
from unconceal.specs.suite import DECIDING_ARMS, Suite
from unconceal.specs.task import Category, Task

PSI = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 1.0)
WINDOW = (0.1, 0.6)
"""ψ of the mean of the excess."""
GROUP = 4
"""Prompts that are generated together."""
SEED = 7000
EXAMPLE_SEEDS = 2
DEFAULTS = "sd14"
"""Suite whose CLIP and battery serve a base that is no suite's."""


@dataclass(frozen=True)
class LookRequest:
    """What to look at.

    Attributes:
        weights, base, gold, judge: folders, files or names on the Hub; ``judge``: a CLIP, None for the suite's.
        retain: other concepts.
        use: the trained weights or their moving average, if the release holds both.
        n_prompts: prompts of the concept.
    """

    weights: str
    base: str
    concept: str
    category: Category = "object"
    retain: tuple[str, ...] = ()
    gold: str | None = None
    judge: str | None = None
    relearn: bool = False
    n_prompts: int = 12
    use: Literal["model", "ema"] | None = None
    batch_size: int = 128
    device: str = "cpu"
    dtype: str = "float32"


@dataclass
class FirstLook:
    """A first look: its result, and the images and specs behind it. ``images``: by model and arm, (prompts, ψ, h, w, 3)."""

    result: LookResult
    task: Task
    prompts: tuple[str, ...]
    checkpoint: Checkpoint
    weights: Path
    base: Base
    images: dict[str, dict[Arm, Pixels]] = field(default_factory=dict)


def take_look(request: LookRequest, root: DataRoot, progress: Progress | None = None) -> FirstLook:
    """Load, generate, judge.

    Raises:
        UnconcealError: something that was named cannot be found, loaded or compared.
    """
    started, progress = time.perf_counter(), progress or Silent()
    base = find_base(request.base, root)
    defaults = default_suite(base, root)
    wording = look_wording(base.suite.name if base.suite else None, request.category)
    task = look_task(request.concept, request.category, defaults.name, wording, request.retain)
    path, checkpoint = find_weights(request.weights, root)
    checkpoint = checkpoint.model_copy(update={"use": request.use})
    loader = Loader(base, task, request.device, getattr(torch, request.dtype))
    unlearned, applied = loader.unlearned(path, checkpoint)
    models = {"original": loader.original, "unlearned": unlearned}
    if request.gold is not None:
        models["gold"] = loader.gold(find_gold(request.gold, root))
    folder = find_model(request.judge, root) if request.judge else local_path(defaults.judges.clip, root)
    retained = tuple(dict.fromkeys(request.retain or (prompt.concept or "" for prompt in task.retain)))
    captions = (task.caption or "", *(wording.caption.format(name) for name in retained), wording.neutral)
    look = Looker(request, task, defaults, models, ZeroShotJudge(clip.load(folder, request.device), captions), progress)
    images = look.generate()
    own_retained = look.generate_retained(retained)
    judge, answers = look.reliability(images, own_retained["original"]), look.presence(images)
    relearning = look.relearn(images) if request.relearn else {}
    excess = excess_over_gold(answers)
    own = rate_score(answers["unlearned"]["prompt"][:, 0], len(look.prompts))
    result = LookResult(
        base=request.base,
        weights=request.weights,
        gold=request.gold,
        concept=task.judge.label,
        category=task.category,
        family=base.family,
        format=applied.format,
        components=applied.components,
        unused_parts=applied.unused_parts,
        judge=judge,
        curves={name: tuple(presence_curves({arm: v[:, None] for arm, v in by_arm.items()}, look.k)) for name, by_arm in answers.items()},
        retained=look.retained_answers(retained, own_retained),
        excess=excess,
        relearning=relearning,
        conclusion=conclude(judge, own, float(answers["original"]["prompt"][:, -1].mean()), excess),
        notes=notes_of(judge, applied.warnings, applied.components, request.gold, bool(relearning)),
        seconds=time.perf_counter() - started,
    )
    return FirstLook(result, task, look.prompts, checkpoint, path, base, images)


def find_gold(text: str, root: DataRoot) -> Path:
    """A gold's pipeline or weights."""
    path = Path(text).expanduser()
    return path if path.exists() else find_weights(text, root)[0] if "@" in text else find_model(text, root)


def default_suite(base: Base, root: DataRoot) -> Suite:
    """The suite of the base, or the one whose CLIP and battery serve any other.

    Raises:
        UsageError: the data root has neither.
    """
    if base.suite is not None:
        return base.suite
    if DEFAULTS not in suite_names(root):
        consequence = f"has no suite {DEFAULTS}, whose CLIP and battery serve a base that is no suite's"
        raise UsageError("look.no-suite", str(root.tasks), consequence, "name a data root that has it with --root")
    return load_suite(root, DEFAULTS)


def excess_over_gold(answers: Mapping[str, Mapping[Arm, FloatArray]]) -> dict[str, Score]:
    """The excess in each arm over the gold, in units of θ's rate; empty without a gold, or where θ never shows the concept."""
    rate = float(answers["original"]["prompt"][:, -1].mean())
    if "gold" not in answers or rate <= 0:
        return {}
    values = {
        arm: excess_retrieval(PSI, answers["unlearned"][arm], answers["gold"][arm][None], rate, WINDOW) for arm in answers["unlearned"]
    }
    return {arm: mean_score(value, len(value), 1 / rate) for arm, value in values.items()}


class Looker:
    """Generates and judges the images of one first look."""

    def __init__(
        self, request: LookRequest, task: Task, suite: Suite, models: Mapping[str, Model], judge: ZeroShotJudge, progress: Progress
    ) -> None:
        self.request, self.task, self.suite, self.models, self.judge, self.progress = request, task, suite, models, judge, progress
        self.prompts = tuple(prompt.text for prompt in task.forget[: request.n_prompts])
        self.original, sampler = models["original"], suite.sampler
        family = next(family for family in FAMILIES.values() if family.pipeline_class == type(self.original.pipeline).__name__)
        self.k = family.handovers(PSI, self.original.noise_levels(), sampler.num_train_timesteps)
        self.latents: list[torch.Tensor] = []

    def generate(self) -> dict[str, dict[Arm, Pixels]]:
        """Images over ψ by model and arm, (prompts, ψ, h, w, 3). θ's prompt arm is its own image at every ψ."""
        groups = [self.prompts[i : i + GROUP] for i in range(0, len(self.prompts), GROUP)]
        stage = self.progress.stage("images over ψ", len(groups) * len(self.models))
        parts: dict[str, dict[Arm, list[Pixels]]] = {name: {arm: [] for arm in DECIDING_ARMS} for name in self.models}
        for group in groups:
            seeds = [image_seed(SEED, prompt, 0) for prompt in group]
            run = run_original(self.original, group, seeds, (*self.k.values(), self.original.steps), self.request.batch_size)
            self.latents.append(run.latents[self.original.steps])
            for name, model in self.models.items():
                arms: tuple[Arm, ...] = ("empty",) if name == "original" else DECIDING_ARMS
                latents = {k: run.latents[k] for k in self.k.values()}
                finished, _ = hand_over(model, self.original, group, latents, arms, self.request.batch_size)
                if name == "original":
                    finished |= {("prompt", k): run.latents[self.original.steps] for k in self.k.values()}
                for arm in DECIDING_ARMS:
                    parts[name][arm].append(np.stack([self.decoded(model, finished[arm, k]) for k in self.k.values()], axis=1))
                stage.advance()
        return {name: {arm: np.concatenate(blocks) for arm, blocks in by_arm.items()} for name, by_arm in parts.items()}

    def decoded(self, model: Model, latents: torch.Tensor) -> Pixels:
        """Images by θ's decoder, as in an evaluation.

        Raises:
            CheckFailed: the latents are not finite.
        """
        if not torch.isfinite(latents).all():
            consequence = "generates latents that are not finite, so there is nothing to see"
            raise CheckFailed("look.not-finite", self.request.weights, consequence, "use --dtype float32, or check the training")
        return self.original.decode(latents, self.request.batch_size)

    def generate_retained(self, concepts: Sequence[str]) -> dict[str, Pixels]:
        """One image of each retained concept by θ and by θ*, from the same noise."""
        prompts = [next(prompt.text for prompt in self.task.retain if prompt.concept == concept) for concept in concepts]
        seeds = [image_seed(SEED, prompt, 0) for prompt in prompts]
        names, images = ("original", "unlearned"), dict[str, Pixels]()
        stage = self.progress.stage("images of retained concepts", len(names))
        for name in names:
            model = self.models[name]
            run = run_original(model, prompts, seeds, (model.steps,), self.request.batch_size)
            images[name] = self.decoded(model, run.latents[model.steps])
            stage.advance()
        return images

    def presence(self, images: Mapping[str, Mapping[Arm, Pixels]]) -> dict[str, dict[Arm, FloatArray]]:
        """Whether each image shows the concept, by model and arm: (prompts, ψ) of 0 and 1. At ψ = 0 θ*'s own decoder counts, too."""
        answers = {name: {arm: self._shown(pixels) for arm, pixels in by_arm.items()} for name, by_arm in images.items()}
        model = self.models["unlearned"]
        if has_other_decoder(self.original, model):
            seeds = [image_seed(SEED, prompt, 0) for prompt in self.prompts]
            run = run_original(model, self.prompts, seeds, (model.steps,), self.request.batch_size)
            own = self._shown(model.decode(run.latents[model.steps], self.request.batch_size)[:, None])
            first = answers["unlearned"]["prompt"]
            first[:, :1] = np.maximum(first[:, :1], own)
        return answers

    def _shown(self, pixels: Pixels) -> FloatArray:
        flat = self.judge.shows(pixels.reshape(-1, *pixels.shape[2:]), "", "")
        return np.asarray(flat.reshape(pixels.shape[:2]), np.float64)

    def reliability(self, images: Mapping[str, Mapping[Arm, Pixels]], retained: Pixels) -> JudgeReliability:
        """The judge on θ's own images, with the concept and without it."""
        own, others = self._shown(images["original"]["prompt"][:, -1:])[:, 0], self.judge.answers(retained)
        named = others == np.arange(1, len(others) + 1)
        rates = [rate_score(np.asarray(values, np.float64), len(values)) for values in (own, others == 0, named)]
        return JudgeReliability(captions=self.judge.captions, with_concept=rates[0], without_concept=rates[1], retained=rates[2])

    def retained_answers(self, concepts: Sequence[str], images: Mapping[str, Pixels]) -> dict[str, tuple[bool, bool]]:
        """Whether θ's and θ*'s image of each retained concept shows it."""
        shown = [self.judge.answers(images[name]) == np.arange(1, len(concepts) + 1) for name in ("original", "unlearned")]
        return {concept: (bool(shown[0][i]), bool(shown[1][i])) for i, concept in enumerate(concepts)}

    def relearn(self, images: Mapping[str, Mapping[Arm, Pixels]]) -> dict[str, dict[str, float]]:
        """Rates after each number of steps, of θ* and of the gold.

        Raises:
            CheckFailed: θ shows the concept in too few images to learn from.
        """
        settings, sampler = self.suite.battery.relearning, self.suite.sampler
        steps = self.suite.battery.num_inference_steps or self.original.steps
        suite = self.suite.model_copy(update={"sampler": sampler.model_copy(update={"num_inference_steps": steps})})
        shown = self._shown(images["original"]["prompt"][:, -1:])[:, 0] > 0
        more = [prompt for prompt in self.prompts for _ in range(EXAMPLE_SEEDS - 1)]
        seeds = [image_seed(SEED, prompt, index) for prompt in self.prompts for index in range(1, EXAMPLE_SEEDS)]
        run = run_original(self.original, more, seeds, (self.original.steps,), self.request.batch_size)
        latents = run.latents[self.original.steps]
        kept = self.judge.shows(self.decoded(self.original, latents), "", "")
        everything = Examples((*self.prompts, *more), torch.cat([*self.latents, latents]))
        examples = everything.select(np.flatnonzero(np.concatenate([shown, kept])).tolist())
        rates = {}
        for name in [name for name in ("unlearned", "gold") if name in self.models]:
            stage = self.progress.stage(f"relearning, {name}", 1)
            model = with_steps(self.models[name], steps)
            inputs = ProbeInputs(
                scope=ProbeScope(suite, self.prompts),
                task=self.task,
                original=with_steps(self.original, steps),
                model=model,
                examples=examples,
                retained=examples,
                judge=self.judge,
                batch_size=self.request.batch_size,
            )
            learnt = learn(inputs, settings)
            rates[name] = {level_name(step): float(inputs.shows(learnt[level_name(step)]).mean()) for step in settings.steps}
            stage.advance()
        return rates
