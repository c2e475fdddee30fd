"""What each documented defect of protocol ``paper`` does to its numbers, on the miniature suite.

See docs/concepts/paper-protocol.md.

``python tools/measure_protocol.py TASK SUBMISSION…`` prints one JSON line per (submission, prompt), and at the end the table of means.
Counts are small: 32 λO and λU a prompt, 50 steps, 8 λP inside λU's seeds and 8 outside.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate

from unconceal.diffusion.guidance import guided_prediction
from unconceal.diffusion.handover import prompt_guidance
from unconceal.diffusion.model import Model
from unconceal.diffusion.pndm_restart import pndm_scheduler, pndm_timesteps, run_pndm_from
from unconceal.diffusion.schedule import handover_steps
from unconceal.evaluation.evaluation import Evaluation
from unconceal.judges import extractors
from unconceal.judges.finetune import Classifier
from unconceal.judges.paper_classifier import fine_tune_as_released
from unconceal.metrics import crs
from unconceal.metrics.ccs import ccs
from unconceal.metrics.kid import kid
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.paper_protocol import PaperProtocol

PAPER = PaperProtocol(num_inference_steps=50, n_images=32)
PROMPTS, INSIDE, OUTSIDE = 2, range(8), range(1000, 1008)
Pixels = NDArray[np.uint8]


def whole(model: Model, text: str, seeds: Sequence[int]) -> Pixels:
    return model.decode(run_pndm_from(model, [text] * len(seeds), model.noise(seeds))[0])


def restarted(original: Model, unlearned: Model, text: str, seeds: Sequence[int], ks: Sequence[int]) -> dict[int, Pixels]:
    """λP of every k, the solver's history started anew."""
    texts = [text] * len(seeds)
    _, restart_images, _ = run_pndm_from(original, texts, original.noise(seeds), 0, ks)
    return {k: unlearned.decode(run_pndm_from(unlearned, texts, restart_images[k], k)[0]) for k in ks}


def unbroken(original: Model, unlearned: Model, text: str, seeds: Sequence[int], k: int) -> Pixels:
    """λP of one k as it would be if the solver kept its history."""
    texts = [text] * len(seeds)
    steps, x = pndm_scheduler(original), original.noise(seeds)
    guidance = {id(model): prompt_guidance(model, texts) for model in (original, unlearned)}
    with torch.inference_mode():
        for i, t in enumerate(steps.timesteps):
            model = original if i < k else unlearned
            predicted, _ = guided_prediction(model, x, t, guidance[id(model)], i, 128)
            x = steps.step(predicted, t, x).prev_sample
    return unlearned.decode(x)


def scores(classifier: Classifier, images: dict[int, Pixels], k: dict[float, int], ends: tuple[Any, Any]) -> dict[str, Any]:
    """CCS and signed pull of every (seed, ψ)."""
    read = {step: classifier.predict(pixels) for step, pixels in images.items()}
    confidence = np.stack([ccs(read[step].logits) for step in k.values()], axis=1)
    features = [read[step].features for step in k.values()]
    pull = np.stack([crs.mean_dissimilarity(x, ends[1]) - crs.mean_dissimilarity(x, ends[0]) for x in features], axis=1)
    return {"ccs": confidence, "pull": pull}


def rescaled_clip(evaluation: Evaluation, pixels: Pixels, text: str) -> tuple[float, float]:
    """CLIP score as it is, and of pictures divided by 255 twice."""
    clip = evaluation.suite_models.clip
    return clip.clip_score(pixels, [text] * len(pixels)), clip.clip_score((pixels / 255).astype(np.uint8), [text] * len(pixels))


def kids(extractor: extractors.Extractor, moving: Sequence[Pixels], original: Pixels) -> dict[str, float]:
    """KID(λP → λO), mean over ψ: each ψ alone; of all ψ so far, never reset; of normalised pictures wrapped into bytes."""

    def wrapped(pixels: Pixels) -> Pixels:
        normal = (pixels / 255 - np.array(extractors.IMAGENET.mean)) / np.array(extractors.IMAGENET.std)
        return np.asarray((normal * 255).astype(np.int64).astype(np.uint8))

    def mean(sets: Sequence[Pixels], end: Pixels) -> float:
        scores_by_kind = [kid(extractors.pooled_features(extractor, pixels), extractors.pooled_features(extractor, end)) for pixels in sets]
        return float(np.mean([score.mean for score in scores_by_kind if score]))

    so_far = [np.concatenate(moving[: i + 1]) for i in range(len(moving))]
    return {
        "kid": mean(moving, original),
        "kid.never_reset": mean(so_far, original),
        "kid.normalised": mean([wrapped(score) for score in moving], wrapped(original)),
    }


def measure(evaluation: Evaluation, original: Model, unlearned: Model, text: str) -> dict[str, float]:
    k = handover_steps(PAPER.psi, pndm_timesteps(PAPER.num_inference_steps))
    ks = sorted(set(k.values()))
    ends = whole(original, text, range(PAPER.n_images)), whole(unlearned, text, range(PAPER.n_images))
    trained = fine_tune_as_released("resnet18", evaluation.suite_models.weights("resnet18"), *ends, PAPER, 0)
    features = trained.classifier.features(ends[0]), trained.classifier.features(ends[1])
    outside = restarted(original, unlearned, text, OUTSIDE, ks)
    restart_images = {step: unbroken(original, unlearned, text, OUTSIDE, step) for step in ks}
    scores_by_kind = {
        "inside": scores(trained.classifier, restarted(original, unlearned, text, INSIDE, ks), k, features),
        "outside": scores(trained.classifier, outside, k, features),
        "kept": scores(trained.classifier, restart_images, k, features),
    }
    o = scores_by_kind["outside"]
    clip, clip_twice = rescaled_clip(evaluation, ends[0], text)
    return {
        "ccs": o["ccs"].mean(),
        "crs": np.abs(o["pull"]).mean(),
        "crs.signed": o["pull"].mean(),
        "accuracy": trained.accuracy,
        "ccs.sd": o["ccs"].mean(axis=1).std(ddof=1),
        "crs.sd": np.abs(o["pull"]).mean(axis=1).std(ddof=1),
        "ccs.inside": scores_by_kind["inside"]["ccs"].mean(),
        "crs.inside": np.abs(scores_by_kind["inside"]["pull"]).mean(),
        "ccs.without_001": o["ccs"][:, 1:].mean(),
        "crs.without_001": np.abs(o["pull"][:, 1:]).mean(),
        "ccs.kept": scores_by_kind["kept"]["ccs"].mean(),
        "crs.kept": np.abs(scores_by_kind["kept"]["pull"]).mean(),
        **kids(evaluation.suite_models.kid_extractor, [np.concatenate([outside[s], restart_images[s]]) for s in k.values()], ends[0]),
        "clip": clip,
        "clip.twice": clip_twice,
    }


def main(task_name: str, names: Sequence[str]) -> None:
    torch.set_num_threads(1)
    root = DataRoot.find()
    suite = load_suite(root, "miniature")
    evaluation, task, rows = Evaluation(suite, root), load_task(root, task_name), []
    sampler = suite.sampler.model_copy(update={"num_inference_steps": PAPER.num_inference_steps, "guidance_scale": PAPER.guidance_scale})
    for name in names:
        original, unlearned, _ = evaluation.models(task, load_submission(root, f"miniature/{name}"), sampler)
        for prompt in task.forget[:PROMPTS]:
            scores_by_kind = {key: round(float(value), 4) for key, value in measure(evaluation, original, unlearned, prompt.text).items()}
            rows.append({"submission": name, **scores_by_kind})
            print(json.dumps({"task": task.id, "prompt": prompt.text, **rows[-1]}), flush=True)
    keys = [key for key in rows[0] if key != "submission"]
    rows_by_name = {name: [row for row in rows if row["submission"] == name] for name in names}
    print(
        tabulate(
            [[key, *(np.mean([row[key] for row in rows_by_name[name]]) for name in names)] for key in keys], ["", *names], floatfmt=".3f"
        )
    )


if __name__ == "__main__":
    main(f"miniature:{sys.argv[1]}", sys.argv[2:])
