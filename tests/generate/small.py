"""A suite, a task and plans small enough to be generated in a test."""

from __future__ import annotations

from unconceal.generate.identity import ComputeConfig, ImageKey, Sampling, Shard
from unconceal.generate.plan import Plan, build_plan
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

ZEROS = "0" * 64
LAYOUT = ComputeConfig("cpu", "float32", 1, 64, 4)
PIN = {"path": "package:none", "digest": ZEROS}
TIER = {
    "psi": (0, 0.25, 0.26, 0.55, 1),
    "retain_psi": (0, 1),
    "seeds": {"train": 3, "reference": 2, "evaluation": 2, "retain": 1},
    "n_prompts": 2,
    "extractors": ("resnet18",),
}


def suite() -> Suite:
    return Suite.model_validate(
        {
            "name": "small",
            "version": 1,
            "title": "Small",
            "base": PIN,
            "sampler": {"scheduler": "ddim", "num_inference_steps": 4, "guidance_scale": 5},
            "tiers": {"quick": TIER},
            "seed_starts": {"train": 0, "reference": 100, "evaluation": 200},
            "fine_tune": {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3, "momentum": 0.9, "triplet_margin": 1},
            "judges": {"concept": PIN, "extractors": {"resnet18": PIN}, "clip": PIN},
        }
    )


def task() -> Task:
    return Task.model_validate(
        {
            "concept": "star",
            "category": "object",
            "title": "Star",
            "suite": "small",
            "license": "Apache-2.0",
            "judge": {"head": "subject", "label": "star"},
            "forget": [{"text": text} for text in ("a star", "a red star", "a star that this tier leaves out")],
            "retain": [{"text": f"a {name}", "concept": name, "head": "subject"} for name in ("ring", "square")],
        }
    )


def plan(checkpoint: str = "c" * 64, layout: ComputeConfig = LAYOUT) -> Plan:
    return build_plan(suite(), suite().tiers["quick"], task(), "b" * 64, checkpoint, layout)


def shard(number: int = 0) -> Shard:
    return Shard(
        base="b" * 64,
        checkpoint=None,
        family="stable-diffusion",
        sampling=Sampling("ddim", 4, 5.0),
        handovers=(0, 2),
        arms=(),
        images=(ImageKey("a star", number), ImageKey("a ring", number + 1)),
        compute=LAYOUT,
    )
