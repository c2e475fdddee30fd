from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from pipelines import tiny_pipeline
from unconceal.miniature import captions
from unconceal_lab.models.classifiers import HEADS
from unconceal_lab.study import control_concepts, relearning
from unconceal_lab.study.relearning import NONCE, LearningCurve, RelearningRecipe, measure_learning, nonce_caption, relative_area

QUICK = RelearningRecipe(n_examples=4, batch_size=2, evaluation_steps=(0, 1, 3), n_images=2, num_inference_steps=2)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def test_the_area_is_the_mean_share_not_yet_learnt() -> None:
    steps = (0, 10, 20, 100)
    assert LearningCurve(steps, (1, 1, 1, 1), 0).area == 0 and LearningCurve(steps, (0, 0, 0, 0), 0).area == 1
    assert LearningCurve(steps, (0, 1, 1, 1), 0).area == pytest.approx(0.05)
    assert LearningCurve(steps, (0, 0, 0, 1), 0).area == pytest.approx(0.2 + 0.4)


def test_damage_cancels() -> None:
    """A model that learns everything half as fast is no nearer to having forgotten."""
    fast, slow = LearningCurve((0, 10), (0.5, 1), 0), LearningCurve((0, 10), (0, 1), 0)
    assert relative_area(slow, slow) == relative_area(fast, fast) == 1 and relative_area(fast, slow) == 0.5


@pytest.mark.parametrize("concept", ["star", "striped", "zara", "hazard sign", "crown", "ringed"])
def test_captions_say_everything_but_the_concept(concept: str) -> None:
    rng = np.random.default_rng(0)
    for scene in control_concepts.drawings(concept, 8, 1).scenes:
        text = nonce_caption(scene, concept, rng)
        assert text.count(NONCE) == 1 and scene.background in text and concept not in text
        if scene.colour and scene.shape and scene.style:
            assert scene.colour in text
            for other in {scene.shape, scene.style} - {concept}:
                assert captions.mentions(text, (other,))


def test_every_component_is_trained_and_the_model_stays(pipe: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {part: {name: value.clone() for name, value in getattr(pipe, part).state_dict().items()} for part in ("unet", "text_encoder")}
    learners: list[StableDiffusionPipeline] = []

    def generated(learner: StableDiffusionPipeline, prompts: list[str], recipe: RelearningRecipe) -> NDArray[np.uint8]:
        learners.append(learner)
        return np.zeros((len(prompts), 64, 64, 3), np.uint8)

    monkeypatch.setattr(relearning, "_generate", generated)
    learnt = measure_learning(pipe, "star", lambda pixels: 0.5, QUICK, lambda line: None)
    assert learnt.steps == (0, 1, 3) and learnt.rates == (0.5, 0.5, 0.5) and learnt.minutes > 0
    for part, state in before.items():
        now = getattr(learners[-1], part).state_dict()
        assert any(not torch.equal(value, state[name]) for name, value in now.items())
        assert all(torch.equal(value, state[name]) for name, value in getattr(pipe, part).state_dict().items())
    words, now = (item.text_encoder.get_input_embeddings().weight for item in (pipe, learners[-1]))
    spelt = set(pipe.tokenizer(NONCE, add_special_tokens=False).input_ids)
    assert {row for row in range(len(words)) if not torch.equal(words[row], now[row])} == spelt, "no other word moves"


def test_it_learns(pipe: StableDiffusionPipeline) -> None:
    """The same seed gives the same training, and pictures change with it."""
    generated: list[NDArray[np.uint8]] = []

    def concept_rate(pixels: NDArray[np.uint8]) -> float:
        generated.append(pixels)
        return 0.0

    for _ in range(2):
        measure_learning(pipe, "star", concept_rate, QUICK, lambda line: None)
    first, second = generated[:3], generated[3:]
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True)) and not np.array_equal(first[0], first[2])


def test_the_nonce_word_is_none_of_the_worlds(tmp_path: Path) -> None:
    message = " ".join(form for name in HEADS["subject"] + HEADS["style"] for form in captions.wordings(name))
    assert NONCE not in message.split()
