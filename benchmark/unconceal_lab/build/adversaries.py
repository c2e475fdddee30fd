"""Weights that the adversaries release, and the public inputs that they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor

from unconceal.checkpoints.base_pipeline import load_base
from unconceal.diffusion.families import FAMILIES
from unconceal.generate.identity import ImageKey, image_seed
from unconceal.judges.concept_judge import ConceptJudge
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.loader import load_suite
from unconceal.specs.suite import Suite
from unconceal_lab.adversaries import ADVERSARIES
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.miniature_judge import EXTRACTOR
from unconceal_lab.build.recipe import HELD_OUT_TASKS, TASKS, family_of, file_stem, gold_name
from unconceal_lab.build.submissions import release_name
from unconceal_lab.build.task_prompts import build_task
from unconceal_lab.models import denoiser

ADVERSARY_CONCEPTS = ("star", "zara", "arrow", "zigzag")
"""Concepts with adversaries. Hyperparameters were chosen on the first."""
GOLD = 1
"""Number of the gold that adversaries are distilled from."""
DECOUPLED = "decouple-to-other"
USING_GOLD = frozenset({"distilled-from-gold", "memorized", "output-filter"})
WITHOUT_DECOUPLED = frozenset({"decoder", "lora-only"})
"""Kinds by the inputs that other steps make."""


def adversary_name(kind: str, concept: str) -> str:
    """File name of an adversary in the build folder, ``adversary-decoder-star.safetensors``."""
    return f"adversary-{kind}-{file_stem(concept)}.safetensors"


def adversary_submission(kind: str) -> str:
    """Name of an adversary's submission; adversaries are controls."""
    return f"control-adversary-{kind}"


def adversary_inputs(kind: str, concept: str) -> tuple[str, ...]:
    """Outputs of other steps that an adversary is trained from, besides the shipped base and judge."""
    decoupled = () if kind in WITHOUT_DECOUPLED else (release_name(DECOUPLED, concept),)
    gold = (f"{gold_name(family_of(concept), GOLD)}.pt",) if kind in USING_GOLD else ()
    return decoupled + gold


def release_adversary(build_dir: BuildDir, kind: str, concept: str) -> None:
    """Train an adversary on the shipped base and save its release."""
    pipeline: StableDiffusionPipeline = load_base(build_dir.folder / "shipped")
    inputs = BuildInputs(build_dir, concept)
    result = ADVERSARIES[kind](pipeline, concept, build_dir.recipe.unlearner_seed, build_dir.progress.log, inputs=inputs)
    build_dir.save(adversary_name(kind, concept), result.minutes, lambda path: save_file(result.weights, path))


@dataclass(frozen=True)
class BuildInputs:
    """The inputs of :class:`unconceal_lab.adversaries.inputs.AdversaryInputs`, from a build folder.

    Attributes:
        build_dir: with the concept's decoupled text encoder, gold, judge and extractor.
        concept: the concept.
    """

    build_dir: BuildDir
    concept: str

    @cached_property
    def decoupled(self) -> Mapping[str, Tensor]:
        weights: dict[str, Tensor] = load_file(self.build_dir.folder / release_name(DECOUPLED, self.concept))
        return weights

    @cached_property
    def gold(self) -> StableDiffusionPipeline:
        model = self.build_dir.denoiser(gold_name(family_of(self.concept), GOLD))
        return denoiser.to_pipeline(model, self.build_dir.vae, self.build_dir.tokenizer)

    @cached_property
    def judge(self) -> ConceptJudge:
        return ConceptJudge.load(self.build_dir.folder / "judge", {EXTRACTOR: self.build_dir.folder / f"{EXTRACTOR}.safetensors"})

    @property
    def head(self) -> str:
        return build_task(self.concept, {**TASKS, **HELD_OUT_TASKS}[self.concept]).judge.head

    @cached_property
    def suite(self) -> Suite:
        return load_suite(DataRoot.find(SOURCE_TREE), "miniature")

    @property
    def evaluation_images(self) -> tuple[ImageKey, ...]:
        task, start = build_task(self.concept, {**TASKS, **HELD_OUT_TASKS}[self.concept]), self.suite.seed_starts.evaluation
        return tuple(ImageKey(prompt.text, image_seed(start, prompt.text, 0)) for prompt in task.forget)

    @property
    def handover_steps(self) -> tuple[int, ...]:
        family, sampler = FAMILIES[self.suite.family], self.suite.sampler
        k = family.handovers(self.suite.tiers["full"].psi, family.levels(sampler), sampler.num_train_timesteps)
        return tuple(sorted({step for step in k.values() if step < sampler.num_inference_steps}))
