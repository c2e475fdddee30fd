"""Ratings of pictures: kept one by one, resumed, never mixed, and folded into the model's frozen set."""

from __future__ import annotations

import io
import json
from pathlib import Path
from statistics import stdev

import pytest
from PIL import Image

from probes.answers import question, said, transcript
from probes.vision_model import vision_model
from unconceal.errors import CheckFailed, UsageError
from unconceal.paths import DataRoot
from unconceal.probes.freeze import freeze, probe_text, with_likeness
from unconceal.probes.local_model import Local
from unconceal.probes.prompt import Question
from unconceal.probes.providers import Heard
from unconceal.probes.rate_images import Pairs, Ratings, every, rate, read_ratings, shown_by
from unconceal.probes.rating_prompt import SCHEMA, likeness_question
from unconceal.progress import Silent
from unconceal.specs.elicitation import Asker, Decoding
from unconceal.specs.loader import load_task
from unconceal.specs.probe_set import RatingFile, ReplyFile

BASE, DECODING = "b" * 64, Decoding(temperature=0, max_tokens=50, seed=0)


def png(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(target, "PNG")
    return target.getvalue()


PAIRS: Pairs = {"ring": [(png("red"), png("blue")), (png("red"), png("green"))], "house": [(png("red"), png("white"))]}


class Scripted:
    """Says what it is told to, in order; a text that is no answer is one, too."""

    kind: Asker = "endpoint"
    revision: str | None = "1"

    def __init__(self, *texts: str, model: str = "someone/Some-Model") -> None:
        self.model, self.texts, self.seen = model, [*texts], []  # type: ignore[var-annotated]

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> Heard:
        self.seen.append((question, seed))
        return Heard(self.texts.pop(0), "stop", "requested")


def rated(root: Path, path: Path, provider: Scripted | Local, pairs: Pairs = PAIRS, base: str = BASE) -> Ratings:
    task = load_task(DataRoot.find(root), "object/star")
    return rate(provider, "star", pairs, shown_by(provider, task, base, DECODING), path, Silent())


def likeness(value: int) -> str:
    return json.dumps({"likeness": value})


def test_every_pair_is_asked_once_with_its_own_pictures(data_root: Path, tmp_path: Path) -> None:
    provider = Scripted(likeness(7), likeness(2), likeness(4))
    found = rated(data_root, tmp_path / "x.likeness.jsonl", provider)
    assert [(one.neighbour, one.pair, one.value) for one in found.ratings] == [("ring", 0, 7), ("house", 0, 2), ("ring", 1, 4)]
    assert [asked.pictures for asked, _ in provider.seen] == [pictures for _, _, pictures in every(PAIRS)]
    assert "first picture shows star, the second shows house" in provider.seen[1][0].text and [seed for _, seed in provider.seen] == [
        0,
        1,
        2,
    ]
    ring = found.by_neighbour["ring"]
    assert ring.mean == 5.5 and ring.spread == pytest.approx(stdev([7, 4]), abs=1e-4) and found.by_neighbour["house"].spread is None
    assert read_ratings(tmp_path / "x.likeness.jsonl") == found


def test_what_was_rated_is_never_asked_again(data_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.likeness.jsonl"
    rated(data_root, path, Scripted(likeness(7)), {"ring": PAIRS["ring"][:1]})
    again = Scripted("I would rather not.", likeness(4))
    found = rated(data_root, path, again)
    assert len(again.seen) == 2 and [one.outcome for one in found.ratings] == ["answered", "invalid", "answered"]
    assert set(found.by_neighbour) == {"ring"}
    assert rated(data_root, path, Scripted()) == found


def test_ratings_of_another_model_or_other_pictures_are_not_mixed(data_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.likeness.jsonl"
    rated(data_root, path, Scripted(likeness(7), likeness(2), likeness(4)))
    for provider, base in ((Scripted(model="other"), BASE), (Scripted(), "c" * 64)):
        with pytest.raises(CheckFailed, match="asked for otherwise"):
            rated(data_root, path, provider, base=base)
    path.write_text("{}\n")
    with pytest.raises(CheckFailed, match="is not what"):
        read_ratings(path)


def test_a_frozen_set_takes_its_own_models_ratings(data_root: Path, tmp_path: Path) -> None:
    asked, about = transcript(question(data_root), said(), said()), question(data_root)
    probes = freeze(asked, about, ReplyFile(file="some-model.replies.jsonl", digest="d" * 64))
    found = rated(data_root, tmp_path / "x", Scripted(likeness(7), likeness(2), likeness(4)))
    file = RatingFile(file="some-model.likeness.jsonl", digest="e" * 64)
    seen = with_likeness(probes, found, file)
    by_name = {neighbour.concept: neighbour.likeness for neighbour in seen.neighbours}
    assert by_name["ring"] == found.by_neighbour["ring"] and by_name["cross"] is None and seen.ratings == file
    assert "likeness" in probe_text(seen) and "likeness" not in probe_text(probes)
    theirs = rated(data_root, tmp_path / "y", Scripted(likeness(7), likeness(2), likeness(4), model="other"))
    with pytest.raises(CheckFailed, match="belong to no set"):
        with_likeness(probes, theirs, file)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Local:
    return Local(str(vision_model(tmp_path_factory.mktemp("random-llava"), [said()])), device="cpu")


def test_a_local_vision_language_model_rates_pictures_within_the_schema(data_root: Path, tmp_path: Path, seeing: Local) -> None:
    found = rated(data_root, tmp_path / "x", seeing)
    assert all(one.outcome == "answered" and one.form == "grammar" and one.value in range(1, 11) for one in found.ratings)
    assert len(found.ratings) == 3 and found.shown.revision is not None and found.shown.revision.startswith("sha256:")


def test_it_sees_what_it_is_shown(seeing: Local) -> None:
    """The network's scores of the next token move with the pictures, and with which of them comes first."""
    import torch

    red, blue = png("red"), png("blue")
    prompts = [seeing._prompt(likeness_question("star", "ring", pictures)) for pictures in ((red, blue), (blue, red), (red, red))]
    assert all(prompt["pixel_values"].shape[0] == 2 for prompt in prompts)
    with torch.inference_mode():
        scores = [seeing._network(**prompt).logits[0, -1] for prompt in prompts]
    assert not any(torch.allclose(scores[one], scores[other], atol=1e-6) for one, other in ((0, 1), (0, 2), (1, 2)))


def test_it_answers_in_words_alone_and_refuses_what_is_no_picture(seeing: Local) -> None:
    decoding = Decoding(temperature=1, max_tokens=50, seed=0)
    heard = seeing.ask(Question("How alike are a star and a ring?", SCHEMA), decoding, 0, 3)
    assert heard.finish == "stop" and 1 <= json.loads(heard.text)["likeness"] <= 10
    with pytest.raises(UsageError, match="picture 2: is no PNG"):
        seeing.ask(Question("x", SCHEMA, pictures=(png("red"), b"GIF89a")), decoding, 0, 0)
