"""Forward passes of every rule: as many as are planned, in both protocols, and no more than a rule needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers import StableDiffusionPipeline

from battery.small import small_suite
from diffusion.inference_rules.ruled import GUIDANCE, PROMPTS, SEEDS, STEPS, ruled
from unconceal.diffusion.handover import Arm, hand_over, run_original
from unconceal.generate.generator import Generator, count_forward_passes
from unconceal.generate.identity import ComputeConfig, ImageKey, Sampling, Shard
from unconceal.generate.paper_generator import RestartedGenerator, plan_prompt
from unconceal.generate.store import Store
from unconceal.specs.inference_rule import RULE_NAMES, InferenceRule, RuleName
from unconceal.specs.paper_protocol import PaperProtocol
from unconceal.specs.submission import Checkpoint

K = (0, 2, STEPS)
COMPUTE = ComputeConfig("cpu", "float32", 1, 128, 8)
SETTINGS: dict[RuleName, dict[str, object]] = {
    "negative-prompt": {"prompt": "star"},
    "safe-latent-diffusion": {
        "concept": "star",
        "guidance_scale": 20,
        "warmup_steps": 2,
        "threshold": 0.01,
        "momentum_scale": 0.3,
        "momentum_beta": 0.4,
    },
    "prompt-rewriting": {"replacements": {"star": "ring"}},
    "prompt-filter": {"words": ["star"]},
    "token-exclusion": {"words": ["star"]},
    "embedding-projection": {"concepts": ["star"]},
}
PER_STEP: dict[RuleName, tuple[int, int]] = {
    "negative-prompt": (2, 2),
    "safe-latent-diffusion": (3, 3),
    "prompt-rewriting": (2, 1),
    "prompt-filter": (2, 1),
    "token-exclusion": (2, 1),
    "embedding-projection": (2, 1),
}
"""In the prompt arm and in the empty arm. Safe latent diffusion: without a prompt, with it, and with the unsafe concept."""


def rule_of(name: RuleName) -> InferenceRule:
    rule = Checkpoint.model_validate({"format": "original", "inference": {"rule": name, **SETTINGS[name]}}).inference
    assert rule is not None
    return rule


@pytest.mark.parametrize("name", RULE_NAMES)
def test_the_handover_takes_what_is_planned(pipe: StableDiffusionPipeline, name: RuleName) -> None:
    original, images = ruled(pipe, None), tuple(map(ImageKey, PROMPTS, SEEDS))
    run = run_original(original, PROMPTS, SEEDS, K)
    arms: tuple[Arm, ...]
    for arms, per_step in ((("prompt",), PER_STEP[name][0]), (("empty",), PER_STEP[name][1]), (("prompt", "empty"), sum(PER_STEP[name]))):
        _, passes = hand_over(ruled(pipe, rule_of(name)), original, PROMPTS, run.latents, arms)
        shard = Shard("b", "c", "stable-diffusion", Sampling("ddim", STEPS, GUIDANCE), K, arms, images, COMPUTE)
        assert passes == count_forward_passes(shard, rule_of(name)) == per_step * len(PROMPTS) * (STEPS + STEPS - 2)


@pytest.mark.parametrize("name", ["prompt-filter", "safe-latent-diffusion"])
def test_so_does_protocol_paper(pipe: StableDiffusionPipeline, tmp_path: Path, name: RuleName) -> None:
    """PNDM evaluates its second step twice. θ's images take two passes an evaluation under any rule."""
    paper = PaperProtocol(num_inference_steps=STEPS, n_images=5, psi=(0.25, 0.5))
    plan = plan_prompt(small_suite(), paper, PROMPTS[0], "c", COMPUTE)
    reported: list[int] = []
    generator = RestartedGenerator(Store(tmp_path), ruled(pipe, None), ruled(pipe, rule_of(name)), reported.append)
    for trajectory, handover in (*plan.full_runs, plan.handover_run):
        for shard, per_step in ((trajectory, 2), (handover, PER_STEP[name][0])):
            before = generator.forward_passes
            generator.generate(shard, trajectory)
            starts = (0,) if shard is trajectory else shard.handovers
            expected = per_step * len(shard.images) * sum(STEPS + 1 - k for k in starts)
            assert generator.forward_passes - before == count_forward_passes(shard, rule_of(name)) == expected
    assert sum(reported) == generator.forward_passes


def test_progress_reports_what_was_run(pipe: StableDiffusionPipeline, tmp_path: Path) -> None:
    reported: list[int] = []
    rule = rule_of("safe-latent-diffusion")
    generator = Generator(Store(tmp_path), ruled(pipe, None), ruled(pipe, rule), reported.append)
    images = tuple(map(ImageKey, PROMPTS, SEEDS))
    sampling = Sampling("ddim", STEPS, GUIDANCE)
    trajectory = Shard("b", None, "stable-diffusion", sampling, K, (), images, COMPUTE)
    generator.handover(Shard("b", "c", "stable-diffusion", sampling, K, ("prompt", "empty"), images, COMPUTE), trajectory)
    assert sum(reported) == generator.forward_passes == (2 * STEPS + 6 * (STEPS + STEPS - 2)) * len(PROMPTS)
