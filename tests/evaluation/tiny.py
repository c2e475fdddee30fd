"""A whole suite of random weights in a temporary folder: everything an evaluation needs, in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from diffusion.families.tiny import SHIFT, SIZE, TINY
from pipelines import tiny_pipeline
from unconceal.judges import extractors
from unconceal.judges.concept_judge import ConceptJudge, fit_head, judge_features
from unconceal.paths import DataRoot
from unconceal.specs.digests import file_digest, path_digest
from unconceal.specs.judge_training import JudgeGate, LabelGate, gate_path
from unconceal.specs.suite import FamilyName
from unconceal_lab.models import clip_model
from unconceal_lab.models.scene_images import render

CONCEPTS = ("circle", "ring", "square", "triangle", "diamond", "cross", "heart", "leaf", "house", "fish", "drop", "dome")


SAMPLERS: dict[FamilyName, str] = {
    "stable-diffusion": "{scheduler: ddim, num_inference_steps: 4, guidance_scale: 5}",
    "stable-diffusion-xl": "{scheduler: ddim, num_inference_steps: 4, guidance_scale: 5}",
    "flux": f"{{scheduler: flow-euler, num_inference_steps: 4, guidance_scale: 3.5, shift: {SHIFT:g}, image_size: {SIZE}}}",
}


def suite_yaml(parts: dict[str, tuple[str, str]], family: FamilyName = "stable-diffusion") -> str:
    pinned = {name: f"{{path: {path}, digest: '{digest}'}}" for name, (path, digest) in parts.items()}
    return f"""\
name: tiny
version: 1
title: A suite of random weights
family: {family}
base: {pinned["base"]}
sampler: {SAMPLERS[family]}
tiers:
  quick:
    psi: [0, 0.25, 0.55, 1]
    retain_psi: [0, 1]
    seeds: {{train: 2, reference: 2, evaluation: 2, retain: 1}}
    extractors: [resnet18]
seed_starts: {{train: 0, reference: 100, evaluation: 200}}
probing:
  {{gate_seeds: 2, seeds: 2, min_gate_accuracy: 0, min_neighbours: 8, min_kid_images: 4, attack_seeds: 4, n_resamples: 200, n_splits: 6}}
fine_tune: {{epochs: 1, batch_size: 16, learning_rate: 1e-3, momentum: 0.9, triplet_margin: 1}}
judges:
  concept: {pinned["judge"]}
  extractors:
    resnet18: {pinned["resnet18"]}
  clip: {pinned["clip"]}
"""


def task_yaml() -> str:
    forget = "".join(f"  - text: a star on a {colour} background, {n}\n" for n in range(5) for colour in ("white", "black"))
    retain = "".join(f"  - {{text: a {name}, concept: {name}, head: subject}}\n" for name in CONCEPTS)
    output = "".join(f"  - {{concept: {name}, head: subject, caption: a {name}, prompts: [a {name}, one {name}]}}\n" for name in CONCEPTS)
    return f"""\
concept: star
category: object
title: Forget the star
suite: tiny
license: Apache-2.0
judge: {{head: subject, label: star}}
gold_kind: trained-without
golds: [control-gold-1, control-gold-2]
caption: a star
neighbours:
{output}distractors:
  - {{concept: arrow, head: subject, caption: an arrow}}
forget:
{forget}retain:
{retain}"""


def submission_yaml(name: str, original: bool = False) -> str:
    checkpoint = "format: original" if original else f"path: models/{name}.safetensors"
    return f"name: {name}\nsuite: tiny\ntitle: {name}\ndescription: Random weights.\ncheckpoints:\n  object/star:\n    {checkpoint}\n"


def tiny_root(folder: Path, family: FamilyName = "stable-diffusion") -> DataRoot:
    """Tasks, submissions and models of random weights under ``folder``; its own store."""
    models = folder / "models"
    make = tiny_pipeline if family == "stable-diffusion" else TINY[family]
    pipe = make(models / "base", 0)
    extractor = make_extractor(models / "resnet18.safetensors")
    make_judge(extractor, models)
    torch.manual_seed(0)
    clip_model.new_clip(len(pipe.tokenizer), int(pipe.tokenizer.eos_token_id)).save_pretrained(models / "clip")
    pipe.tokenizer.save_pretrained(models / "clip")
    names = ("esd-x", "control-gold-1", "control-gold-2")
    for seed, name in enumerate(names):
        other, part = make(folder / "other", seed + 1), "transformer" if family == "flux" else "unet"
        weights = getattr(other, part).state_dict()
        save_file({f"{part}.{key}": value.contiguous() for key, value in weights.items()}, models / f"{name}.safetensors")
    paths = {"base": "models/base", "judge": "models/judge", "resnet18": "models/resnet18.safetensors", "clip": "models/clip"}
    files = {
        "tasks/tiny/suite.yaml": suite_yaml({name: (path, path_digest(folder / path)) for name, path in paths.items()}, family),
        "tasks/tiny/object/star.yaml": task_yaml(),
        "submissions/tiny/control-original.yaml": submission_yaml("control-original", original=True),
        **{f"submissions/tiny/{name}.yaml": submission_yaml(name) for name in names},
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return DataRoot(folder / "tasks", folder / "submissions", folder / "results", folder / "store", read_only=False)


def make_extractor(path: Path) -> extractors.Extractor:
    import timm

    torch.manual_seed(0)
    extractors.save(timm.create_model("resnet18", num_classes=0), path)
    return extractors.load("resnet18", path)


def make_judge(extractor: extractors.Extractor, models: Path) -> None:
    images = render(80, 3)
    labels = {"subject": [*("star", *CONCEPTS)] * 6 + ["star"] * 2, "style": ["flat", "none"] * 40}
    head = fit_head(judge_features((extractor,), np.array(images.pixels)), labels, seed=0, epochs=2)
    ConceptJudge(head, (extractor,), {"resnet18": file_digest(models / "resnet18.safetensors")}).save(models / "judge")
    write_gate(models / "judge", low=0.95)


def write_gate(judge: Path, low: float) -> None:
    """Says of every label that it reached so much; nobody held random weights to anything."""
    reached = LabelGate(value=0.97, low=low, high=0.99, positives=80, negatives=80)
    gate = JudgeGate(
        judge=path_digest(judge), min_balanced_accuracy=0.9, labels={f"subject/{name}": reached for name in ("star", *CONCEPTS)}
    )
    gate_path(judge).write_text(gate.model_dump_json())
