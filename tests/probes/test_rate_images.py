"""Ratings of pictures: kept one by one, resumed, never mixed, and folded into the model's frozen set."""

from __future__ import annotations

import io
import json
from pathlib import Path
from statistics import stdev

import pytest
from PIL import Image

from codes import raises
from probes.answers import answer_text, question, transcript
from probes.vision_model import vision_model
from unconceal.paths import DataRoot
from unconceal.probes.freeze import freeze, to_yaml, with_image_ratings
from unconceal.probes.local_model import LocalModel
from unconceal.probes.prompt import Question
from unconceal.probes.providers import ProviderReply
from unconceal.probes.rate_images import ImagePairs, Ratings, interleaved_pairs, rate, rating_request, read_ratings
from unconceal.probes.rating_prompt import SCHEMA, rating_question
from unconceal.progress import Silent
from unconceal.specs.elicitation import Decoding, ProviderKind
from unconceal.specs.loader import load_task
from unconceal.specs.probe_set import RatingFile, ReplyFile

BASE, DECODING = "b" * 64, Decoding(temperature=0, max_tokens=50, seed=0)


def png(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(target, "PNG")
    return target.getvalue()


PAIRS: ImagePairs = {"ring": [(png("red"), png("blue")), (png("red"), png("green"))], "house": [(png("red"), png("white"))]}


class Scripted:
    """Says what it is told to, in order; a text that is no answer is one, too."""

    kind: ProviderKind = "endpoint"
    revision: str | None = "1"

    def __init__(self, *texts: str, model: str = "someone/Some-Model") -> None:
        self.model, self.texts, self.seen = model, [*texts], []  # type: ignore[var-annotated]

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> ProviderReply:
        self.seen.append((question, seed))
        return ProviderReply(self.texts.pop(0), "stop", "requested")


def rated(root: Path, path: Path, provider: Scripted | LocalModel, pairs: ImagePairs = PAIRS, base: str = BASE) -> Ratings:
    task = load_task(DataRoot.find(root), "object/star")
    return rate(provider, "star", pairs, rating_request(provider, task, base, DECODING), path, Silent())


def likeness(value: int) -> str:
    return json.dumps({"likeness": value})


def test_every_pair_is_asked_once_with_its_own_pictures(data_root: Path, tmp_path: Path) -> None:
    provider = Scripted(likeness(7), likeness(2), likeness(4))
    ratings = rated(data_root, tmp_path / "x.image-ratings.jsonl", provider)
    assert [(rating.neighbour, rating.pair, rating.value) for rating in ratings.ratings] == [
        ("ring", 0, 7),
        ("house", 0, 2),
        ("ring", 1, 4),
    ]
    assert [question.images for question, _ in provider.seen] == [pictures for _, _, pictures in interleaved_pairs(PAIRS)]
    assert "first picture shows star, the second shows house" in provider.seen[1][0].text and [seed for _, seed in provider.seen] == [
        0,
        1,
        2,
    ]
    ring = ratings.by_neighbour["ring"]
    assert ring.mean == 5.5 and ring.std == pytest.approx(stdev([7, 4]), abs=1e-4) and ratings.by_neighbour["house"].std is None
    assert read_ratings(tmp_path / "x.image-ratings.jsonl") == ratings


def test_what_was_rated_is_never_asked_again(data_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.image-ratings.jsonl"
    rated(data_root, path, Scripted(likeness(7)), {"ring": PAIRS["ring"][:1]})
    again = Scripted("I would rather not.", likeness(4))
    ratings = rated(data_root, path, again)
    assert len(again.seen) == 2 and [rating.outcome for rating in ratings.ratings] == ["answered", "invalid", "answered"]
    assert set(ratings.by_neighbour) == {"ring"}
    assert rated(data_root, path, Scripted()) == ratings


def test_ratings_of_another_model_or_other_pictures_are_not_mixed(data_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.image-ratings.jsonl"
    rated(data_root, path, Scripted(likeness(7), likeness(2), likeness(4)))
    for provider, base in ((Scripted(model="other"), BASE), (Scripted(), "c" * 64)):
        with raises("ratings.mixed-settings"):
            rated(data_root, path, provider, base=base)
    path.write_text("{}\n")
    with raises("ratings.unreadable"):
        read_ratings(path)


def test_a_frozen_set_takes_its_own_models_ratings(data_root: Path, tmp_path: Path) -> None:
    transcript_, about = transcript(question(data_root), answer_text(), answer_text()), question(data_root)
    probes = freeze(transcript_, about, ReplyFile(file="some-model.replies.jsonl", digest="d" * 64))
    ratings = rated(data_root, tmp_path / "x", Scripted(likeness(7), likeness(2), likeness(4)))
    file = RatingFile(file="some-model.image-ratings.jsonl", digest="e" * 64)
    rated_set = with_image_ratings(probes, ratings, file)
    by_name = {neighbour.concept: neighbour.visual_similarity for neighbour in rated_set.neighbours}
    assert by_name["ring"] == ratings.by_neighbour["ring"] and by_name["cross"] is None and rated_set.ratings == file
    assert "visual_similarity" in to_yaml(rated_set) and "visual_similarity" not in to_yaml(probes)
    other_ratings = rated(data_root, tmp_path / "y", Scripted(likeness(7), likeness(2), likeness(4), model="other"))
    with raises("ratings.mismatch"):
        with_image_ratings(probes, other_ratings, file)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return LocalModel(str(vision_model(tmp_path_factory.mktemp("random-llava"), [answer_text()])), device="cpu")


def test_a_local_vision_language_model_rates_pictures_within_the_schema(data_root: Path, tmp_path: Path, seeing: LocalModel) -> None:
    ratings = rated(data_root, tmp_path / "x", seeing)
    assert all(rating.outcome == "answered" and rating.form == "grammar" and rating.value in range(1, 11) for rating in ratings.ratings)
    assert len(ratings.ratings) == 3 and ratings.request.revision is not None and ratings.request.revision.startswith("sha256:")


def test_it_sees_what_it_is_shown(seeing: LocalModel) -> None:
    """The network's scores of the next token move with the pictures, and with which of them comes first."""
    import torch

    red, blue = png("red"), png("blue")
    prompts = [seeing._prompt(rating_question("star", "ring", pictures)) for pictures in ((red, blue), (blue, red), (red, red))]
    assert all(prompt["pixel_values"].shape[0] == 2 for prompt in prompts)
    with torch.inference_mode():
        scores = [seeing._network(**prompt).logits[0, -1] for prompt in prompts]
    assert not any(torch.allclose(scores[first], scores[second], atol=1e-6) for first, second in ((0, 1), (0, 2), (1, 2)))


def test_a_vision_model_answers_text_only_and_refuses_bytes_that_are_no_image(seeing: LocalModel) -> None:
    decoding = Decoding(temperature=1, max_tokens=50, seed=0)
    heard = seeing.ask(Question("How alike are a star and a ring?", SCHEMA), decoding, 0, 3)
    assert heard.finish == "stop" and 1 <= json.loads(heard.text)["likeness"] <= 10
    with raises("images.unreadable"):
        seeing.ask(Question("x", SCHEMA, images=(png("red"), b"GIF89a")), decoding, 0, 0)
