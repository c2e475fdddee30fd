"""The miniature's concept judge: a head on the shipped ResNet18, and the gate that it must pass."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unconceal.diffusion.noise_weights import noise_for
from unconceal.judges import extractors
from unconceal.judges.augmentations import training_set
from unconceal.judges.concept_judge import NONE, BalancedAccuracy, ConceptJudge, fit_head, gate, judge_features
from unconceal.judges.train_concept_judge import gate_of as kept_gate
from unconceal.judges.train_concept_judge import gate_text
from unconceal_lab.build import sample_images
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.models.classifiers import recognise
from unconceal_lab.unlearners.trained_layers import cross_attention
from unconceal.miniature.scene import Scene, sample_scene
from unconceal.specs.digests import file_digest, path_digest
from unconceal.specs.judge_training import gate_file

STANDS_ON, LEAST = "resnet18", 0.9
DRAWN, PAINTED, HELD_OUT, WRECKED, CLEAN_AT = 6000, 600, 300, 100, 10
"""Drawings, pictures of the base for training and for the gate, pictures of a destroyed base, and the step whose x̂0s are used."""
FIRST_SEED = 51
"""Of the shipped judge; judge N has 100 more for each."""
Pixels = NDArray[np.uint8]


def names_of(scene: Scene) -> tuple[str, str]:
    """What the judge should say: subject and style."""
    return scene.shape or scene.character or "hazard sign", scene.style or NONE


def painted(shop: BuildDir, count: int, seed: int) -> tuple[Pixels, list[Scene], Pixels]:
    """The base's pictures of random scenes that the drawings classifier confirms, their scenes, and their x̂0s."""
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng) for _ in range(count)]
    prompts = [sample_images.full_caption(scene, rng) for scene in scenes]
    drawn = sample_images.draw(sample_images.model(shop, "base"), prompts, [seed * 100_000 + i for i in range(count)], (CLEAN_AT,))
    said = recognise(shop.truth, drawn.pixels)
    right = [
        i for i, scene in enumerate(scenes)
        if said["subject"][i] == names_of(scene)[0] and (scene.style is None or said["style"][i] == scene.style)
    ]
    return drawn.pixels[right], [scenes[i] for i in right], drawn.clean[CLEAN_AT][right]


def wrecked(shop: BuildDir, count: int, seed: int) -> Pixels:
    """Pictures of the base with its cross-attention drowned in noise: what a destroyed model draws."""
    painter, rng = sample_images.model(shop, "base"), np.random.default_rng(seed)
    painter.pipe.unet.load_state_dict(noise_for(painter.pipe.unet, seed, lambda name, _: cross_attention(name)), strict=False)
    prompts = [sample_images.full_caption(sample_scene(rng), rng) for _ in range(count)]
    return sample_images.draw(painter, prompts, [seed * 100_000 + i for i in range(count)]).pixels


def judge_of(shop: BuildDir, weights: extractors.Extractor, digest: str, seed: int = FIRST_SEED) -> ConceptJudge:
    """Fit the head: drawings, their VAE round trips, the base's pictures and x̂0s, all disturbed; and what is unreadable."""
    pixels, scenes = np.array(shop.world.pixels[:DRAWN]), list(shop.world.scenes[:DRAWN])
    own, own_scenes, clean = painted(shop, PAINTED, seed)
    first = training_set(pixels, families(scenes), seed, softened=shop.softened.numpy())
    said = recognise(shop.truth, clean)["subject"]
    kept = [i for i, scene in enumerate(own_scenes) if said[i] == names_of(scene)[0]]
    order = kept + [i for i in range(len(own_scenes)) if i not in set(kept)]
    second = training_set(
        own[order], families([own_scenes[i] for i in order]), seed + 1, softened=clean[kept], damaged=wrecked(shop, WRECKED, seed + 2)
    )
    labels = {family: first.labels[family] + second.labels[family] for family in first.labels}
    features = judge_features((weights,), np.concatenate([first.pixels, second.pixels]))
    return ConceptJudge(fit_head(features, labels, seed), (weights,), {STANDS_ON: digest})


def refitted(shop: BuildDir, number: int) -> ConceptJudge:
    """The judge of another training (``number`` from 2), kept as ``judge-N``: how much do answers depend on its seed?"""
    path, name = shop.folder / f"{STANDS_ON}.safetensors", f"judge-{number}"
    if not shop.exists(name):
        weights = extractors.load(STANDS_ON, path)
        started = time.process_time()
        judge = judge_of(shop, weights, file_digest(path), FIRST_SEED + 100 * (number - 1))
        shop.keep(name, (time.process_time() - started) / 60, judge.save)
    return ConceptJudge.load(shop.folder / name, {STANDS_ON: path})


def families(scenes: list[Scene]) -> dict[str, list[str]]:
    return {"subject": [names_of(scene)[0] for scene in scenes], "style": [names_of(scene)[1] for scene in scenes]}


def gate_of(shop: BuildDir, judge: ConceptJudge, seed: int = 61) -> dict[str, BalancedAccuracy]:
    """Balanced accuracy per label on held-out drawings and the base's pictures of held-out captions."""
    drawings = np.array(shop.held_out.pixels)
    own, scenes, _ = painted(shop, HELD_OUT, seed)
    truth = families([*shop.held_out.scenes, *scenes])
    return gate(judge, np.concatenate([drawings, own]), truth["subject"], truth["style"])


def make_gate(shop: BuildDir) -> None:
    """Hold the judge to its gate on every label, and keep what it reached beside it; needs ``judge``, ``base`` and ``truth``."""
    started, judge = time.process_time(), shop.folder / "judge"
    loaded = ConceptJudge.load(judge, {STANDS_ON: shop.folder / f"{STANDS_ON}.safetensors"})
    text = gate_text(kept_gate(gate_of(shop, loaded), path_digest(judge), LEAST))
    shop.keep(gate_file(judge).name, (time.process_time() - started) / 60, lambda path: path.write_text(text))


def make_judge(shop: BuildDir) -> None:
    """Fit and keep the judge; needs ``base``, ``truth`` and the extractor."""
    started = time.process_time()
    path = shop.folder / f"{STANDS_ON}.safetensors"
    extractors.save(headless(shop), path)
    weights = extractors.load(STANDS_ON, path)
    judge = judge_of(shop, weights, file_digest(path))
    shop.keep("judge", (time.process_time() - started) / 60, judge.save)


def headless(shop: BuildDir, name: str = STANDS_ON) -> nn.Module:
    """The trained classifier without its last layer."""
    model = shop.classifier(name, name)
    model.reset_classifier(0)  # type: ignore[operator]
    return model
