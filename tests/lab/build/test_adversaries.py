from __future__ import annotations

from pathlib import Path

from unconceal.diffusion.families import FAMILIES
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.loader import all_submissions, load_suite, load_task
from unconceal_lab.adversaries import ADVERSARIES
from unconceal_lab.build.adversaries import (
    ADVERSARY_CONCEPTS,
    USING_GOLD,
    WITHOUT_DECOUPLED,
    BuildInputs,
    adversary_inputs,
    adversary_name,
    adversary_submission,
)
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.ship import RELEASES, releases

ROOT = DataRoot.find(SOURCE_TREE)


def test_memorized_images_are_the_suites_evaluation_images(tmp_path: Path) -> None:
    suite, task = load_suite(ROOT, "miniature"), load_task(ROOT, "miniature:object/star")
    inputs = BuildInputs(BuildDir(tmp_path), "star")
    assert [image.prompt for image in inputs.evaluation_images] == [prompt.text for prompt in task.forget]
    seeds = {image.seed for image in inputs.evaluation_images}
    assert len(seeds) == len(task.forget) and {seed % 10_000 for seed in seeds} == {suite.seed_starts.evaluation}
    sampler, family = suite.sampler, FAMILIES[suite.family]
    handovers = family.handovers(suite.tiers["full"].psi, family.levels(sampler), sampler.num_train_timesteps)
    assert {*inputs.handover_steps, sampler.num_inference_steps} == set(handovers.values())


def test_inputs_of_other_steps() -> None:
    assert ADVERSARIES.keys() > USING_GOLD | WITHOUT_DECOUPLED
    assert adversary_inputs("decoder", "star") == ()
    assert adversary_inputs("distilled-from-gold", "arrow") == ("release-decouple-to-other-arrow.safetensors", "gold-arrow-zigzag-1.pt")


def test_adversaries_are_shipped_as_controls() -> None:
    names = {adversary_name(kind, concept) for kind in ADVERSARIES for concept in ADVERSARY_CONCEPTS}
    assert names <= set(releases().values())
    assert releases()[RELEASES / "control-adversary-decoder" / "star.safetensors"] == "adversary-decoder-star.safetensors"


def test_submissions_of_adversaries_are_controls_on_star() -> None:
    submissions = [item for item in all_submissions(ROOT) if item.name.startswith(adversary_submission(""))]
    assert len(submissions) >= 10 and {item.name for item in submissions} <= set(map(adversary_submission, ADVERSARIES))
    assert all(item.is_control and "object/star" in item.checkpoints for item in submissions)
