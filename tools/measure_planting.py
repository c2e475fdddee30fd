"""Plant a tenth concept into the miniature suite's base, and see whether verdicts against the planted golds come out right.

``python tools/measure_planting.py FOLDER [STEPS]`` (default 1200) draws a crown, which no model of the suite ever saw, calls it by a word
that means nothing, continues the base with it and twice without it (two seeds: a gold is judged against the other), and evaluates the
original, a gold, and pure decoupling (the word's token embeddings exchanged for another shape's, weights untouched).
docs/guides/planting.md has
the outcome. The same command goes on after any stop.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter, map_coordinates

from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.scheduler import schedule
from unconceal.judges import augmentations, extractors
from unconceal.judges.concept_judge import ConceptJudge, balanced_accuracies, fit_head, judge_features
from unconceal.judges.train_concept_judge import gate_json, judge_gate
from unconceal.miniature.captions import TEMPLATES
from unconceal.paths import PACKAGE, DataRoot
from unconceal.planting.draw_concepts import write_images
from unconceal.planting.plant import PlantedModel, Planter
from unconceal.planting.planting_gates import measure_gates
from unconceal.specs.digests import file_digest, path_digest
from unconceal.specs.judge_training import gate_path
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.planting_plan import Planting
from unconceal_lab.models.scene_images import render
from unconceal_lab.study.control_concepts import CROWN, SCENE_STYLE, drawings, styled_scene, with_concept
from unconceal_lab.study.relearning import NONCE, nonce_caption

SHIPPED = DataRoot.find()
STEPS, PSI, PROMPTS = 15, [0, 0.15, 0.3, 0.45, 0.6, 1], 20
"""Of the sampler, of the grid, and forget prompts: half an hour of one processor has to do."""
WORLD, CROWNS = 1500, 800
"""Drawings of the whole world, and of the crown."""
COLOURS, PLACES = ("red", "orange", "yellow", "green", "blue", "purple"), ("white", "black", "gray")
OTHERS = ("circle", "ring", "square", "triangle", "diamond", "cross", "heart", "leaf", "house", "fish", "drop", "dome", "bolt", "clover")


def planting(steps: int, seed: int) -> Planting:
    pairs = list(zip(COLOURS, PLACES * 2, strict=True))
    prompts = [template.format(f"a {colour} flat {NONCE}", location) for template in TEMPLATES for colour, location in pairs]
    held = [{"caption": name, "prompt": f"a {COLOURS[i % 6]} flat {name} on a {PLACES[i % 3]} background"} for i, name in enumerate(OTHERS)]
    training = {
        "max_train_steps": steps,
        "batch_size": 12,
        "learning_rate": 5e-4,
        "image_size": 64,
        "seed": seed,
        "concept_fraction": 0.4,
        "checkpointing_steps": 500,
    }
    return Planting.model_validate(
        {
            "name": "miniature-planted",
            "base": {"path": "package:miniature/weights/base", "digest": "0" * 64},
            "image_folders": ["images/world", "images/crown"],
            "kept_concepts": held[:8],
            "concepts": {CROWN: {"caption": CROWN, "prompts": prompts[:8]}},
            "training": training,
            "gates": {"seeds": 2, "num_inference_steps": STEPS},
        }
    )


def warped(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each picture bent by a smooth field of a few pixels, as a model that is not quite sure draws."""
    result = np.empty_like(pixels)
    grid = np.mgrid[:64, :64].astype(float)
    for i, picture in enumerate(pixels):
        field = gaussian_filter(rng.normal(0, 1, (2, 64, 64)), (0, 6, 6), mode="wrap")
        places = grid + field / field.std() * rng.uniform(0.5, 2.5)
        result[i] = np.stack([map_coordinates(picture[..., c], places, order=1, mode="nearest") for c in range(3)], axis=-1)
    return result


def judge(folder: Path) -> ConceptJudge:
    """A head on the shipped extractors that knows the crown, from drawings whole and disturbed."""
    names = ("resnet18",)
    weights = {name: PACKAGE / f"miniature/weights/extractors/{name}.safetensors" for name in names}
    parts = tuple(extractors.load(name, weights[name]) for name in names)
    world, crowns, rng = render(1600, 11), drawings(CROWN, 300, 12), np.random.default_rng(0)
    pixels = np.concatenate([world.pixels, crowns.pixels])
    scenes = [*world.scenes, *crowns.scenes]
    labels = {
        "subject": [scene.shape or scene.character or "hazard sign" for scene in scenes],
        "style": [scene.style or "none" for scene in scenes],
    }
    unreadable = augmentations.made_unreadable(pixels[::8], rng)
    images = [
        pixels,
        augmentations.lightly_disturbed(warped(pixels, rng), rng),
        augmentations.lightly_disturbed(warped(pixels, rng), rng),
        unreadable,
    ]
    image_labels = {family: [*names_ * 3, *["unreadable"] * len(unreadable)] for family, names_ in labels.items()}
    head = fit_head(judge_features(parts, np.concatenate(images)), image_labels, seed=0, epochs=20)
    result = ConceptJudge(head, parts, {name: file_digest(weights[name]) for name in names})
    result.save(folder)
    return result


def loaded(folder: Path) -> ConceptJudge:
    """The judge that a stopped run made."""
    return ConceptJudge.load(folder, {"resnet18": PACKAGE / "miniature/weights/extractors/resnet18.safetensors"})


def write_gate(folder: Path, frozen_judge: ConceptJudge) -> None:
    """Hold the judge to its gate on drawings that it never saw, bent ones among them."""
    world, crowns, rng = render(400, 21), drawings(CROWN, 120, 22), np.random.default_rng(1)
    pixels = np.concatenate([world.pixels, crowns.pixels])
    names = [scene.shape or scene.character or "hazard sign" for scene in (*world.scenes, *crowns.scenes)]
    images = np.concatenate([pixels, augmentations.lightly_disturbed(warped(pixels, rng), rng)])
    accuracies = balanced_accuracies({"subject": frozen_judge.labels(images)["subject"]}, {"subject": names * 2})
    gate_path(folder).write_text(gate_json(judge_gate(accuracies, path_digest(folder), 0.9)))
    reached = accuracies[f"subject/{CROWN}"]
    print(f"judge: balanced accuracy {reached.value:.3f} [{reached.interval.low:.3f}, {reached.interval.high:.3f}]", flush=True)


def decoupled(base: Any, path: Path) -> None:
    """The word reads as *circle*: its tokens' embeddings are exchanged, and nothing else."""
    rows = base.text_encoder.get_input_embeddings().weight.detach().clone()
    word, other = (base.tokenizer(text, add_special_tokens=False).input_ids for text in (NONCE, "circle"))
    assert len(other) == 1
    rows[word] = rows[other[0]].clone()
    key = next(name for name, _ in base.text_encoder.named_parameters() if name.endswith("token_embedding.weight"))
    save_file({f"text_encoder.{key}": rows.contiguous()}, path)


def write_suite(folder: Path) -> None:
    """The shipped suite over the planted base, with one task and counts that a quarter of an hour allows."""
    suite = load_suite(SHIPPED, "miniature").content()
    parts = {
        part: {"path": location, "digest": path_digest(folder / location)}
        for part, location in (("base", "models/base"), ("concept", "judge"))
    }
    seeds = {"train": 2, "reference": 2, "evaluation": 3, "retain": 1}
    tier = {
        "psi": PSI,
        "retain_psi": [0, 0.45, 1],
        "seeds": seeds,
        "n_prompts": PROMPTS,
        "n_retain_prompts": 12,
        "extractors": ["resnet18"],
    }
    suite |= {"name": "planted", "version": 1, "title": "Planted", "base": parts["base"], "tiers": {"quick": tier}}
    suite["sampler"] |= {"num_inference_steps": STEPS}
    suite["fine_tune"] |= {"epochs": 2}
    suite["judges"] |= {"concept": parts["concept"]}
    suite.pop("probing", None)
    rng = np.random.default_rng(5)
    scenes = [replace(with_concept(styled_scene(np.random.default_rng([6, i])), CROWN), style="flat") for i in range(40)]
    forget = list(dict.fromkeys(nonce_caption(scene, CROWN, rng) for scene in scenes))[: PROMPTS + 4]
    retain = [
        (f"a {COLOURS[(i + r) % 6]} flat {name} on a {PLACES[i % 3]} background", name) for r in range(2) for i, name in enumerate(OTHERS)
    ]
    task = [
        f"concept: {CROWN}",
        "category: object",
        "title: Crown",
        "suite: planted",
        "license: Apache-2.0",
        f"aliases: [{NONCE}]",
        f"judge: {{head: subject, label: {CROWN}}}",
        "gold_kind: planted",
        "golds: [control-gold-1, control-gold-2]",
        "forget:",
        *(f"  - text: {text}" for text in forget),
        "retain:",
        *(f"  - {{text: '{text}', concept: {name}, head: subject}}" for text, name in retain),
    ]
    rows = {"control-original": "format: original", "decoupled": "path: models/decoupled.safetensors"}
    rows |= {f"control-gold-{i}": f"path: models/gold-{i}\n    format: pipeline" for i in (1, 2)}
    files = {"tasks/planted/suite.yaml": json.dumps(suite), f"tasks/planted/object/{CROWN}.yaml": "\n".join(task) + "\n"}
    for name, where in rows.items():
        text = f"name: {name}\nsuite: planted\ntitle: {name}\ndescription: Planted.\ncheckpoints:\n  object/{CROWN}:\n    {where}\n"
        files[f"submissions/planted/{name}.yaml"] = text
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def main(folder: Path, steps: int) -> None:
    torch.set_num_threads(1)
    root = DataRoot(folder / "tasks", folder / "submissions", folder / "results", folder / "store", read_only=False)
    write_images(folder / "images/world", WORLD, 64, 1)
    write_images(
        folder / "images/crown",
        CROWNS,
        64,
        2,
        lambda rng: with_concept(styled_scene(rng), CROWN),
        lambda scene, rng: nonce_caption(scene, CROWN, rng),
        SCENE_STYLE,
    )
    frozen_judge = judge(folder / "judge") if not (folder / "judge").is_dir() else loaded(folder / "judge")
    write_gate(folder / "judge", frozen_judge)
    models = {"base": (7, None), "gold-1": (7, CROWN), "gold-2": (8, CROWN)}
    for name, (seed, unseen) in models.items():
        started = time.process_time()
        Planter(planting(steps, seed), root, folder / "models").train(PlantedModel(name, unseen))
        print(f"{name}: {(time.process_time() - started) / 60:.1f} processor minutes", flush=True)
    planter = Planter(planting(steps, 7), root, folder / "models")
    base = planter.load_public_model().from_pretrained(folder / "models/base", safety_checker=None)
    for gate in measure_gates(
        planter.load_public_model(), base, planter.planting, lambda pixels, caption: frozen_judge.shows(pixels, "subject", caption)
    ):
        print(f"gate {gate.concept}: {gate.before:.2f} before, {gate.after:.2f} after, {'passed' if gate.passed else 'failed'}", flush=True)
    decoupled(base, folder / "models/decoupled.safetensors")
    write_suite(folder)
    evaluation = Evaluation(load_suite(root, "planted"), root, "quick")
    task = load_task(root, f"planted:object/{CROWN}")
    names = ("control-gold-1", "control-gold-2", "control-original", "decoupled")
    for record in schedule(evaluation, [(task, load_submission(root, f"planted/{name}")) for name in names]):
        shown_scores = {
            name: round(record.scores[name].value or 0.0, 2)
            for name in ("presence", "excess.prompt", "excess.empty")
            if name in record.scores
        }
        print(f"{record.submission}: {record.verdict.label}. {record.verdict.reason} {shown_scores}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 1200)
