"""A language model on this machine: tiny, of the Llama architecture, made in the test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from codes import raises
from probes.answers import answer_text, question
from probes.chat_model import chat_model
from unconceal.probes.local_model import LocalModel
from unconceal.probes.prompt import Question, answer_schema, object_schema
from unconceal.probes.replies import parse_reply
from unconceal.specs.elicitation import Decoding, Reply
from unconceal.specs.spec import Json

SMALL = object_schema({"word": {"type": "string", "maxLength": 5}, "number": {"type": "integer", "minimum": 1, "maximum": 10}})


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return LocalModel(str(chat_model(tmp_path_factory.mktemp("random-llama"), [answer_text()])), device="cpu")


def ask(model: LocalModel, schema: Json, seed: int = 0, temperature: float = 1.0, tokens: int = 200) -> tuple[str, str]:
    heard = model.ask(Question("Say a word.", schema), Decoding(temperature=temperature, max_tokens=tokens, seed=0), 0, seed)
    assert heard.form == "grammar"
    return heard.text, heard.finish


def test_whatever_a_random_model_says_fits_the_schema(random_model: LocalModel) -> None:
    for seed in range(3):
        text, finish = ask(random_model, SMALL, seed)
        value = json.loads(text)
        assert finish == "stop" and set(value) == {"word", "number"} and len(value["word"]) <= 5 and 1 <= value["number"] <= 10


def test_a_random_answer_is_read_or_says_why_not(random_model: LocalModel) -> None:
    schema = answer_schema(2)
    for bounded in (schema["properties"]["ranking"]["items"], schema["properties"]["neighbours"]["items"]["properties"]["concept"]):
        bounded["maxLength"] = 8
    schema["properties"]["attacks"] |= {
        "maxItems": 1,
        "items": object_schema({name: {"type": "string", "maxLength": 8} for name in ("prompt", "attribute")}),
    }
    text, finish = ask(random_model, schema, tokens=400)
    assert finish == "stop" and len(json.loads(text)["neighbours"]) == 2
    sample = parse_reply(Reply(sample=0, date="2026-11-22", finish="stop", form="grammar", text=text), Question("", schema, ("star",)))
    assert sample.outcome == "answered" or sample.reason


def test_seed_and_temperature_determine_the_reply(random_model: LocalModel) -> None:
    assert ask(random_model, SMALL, 1) == ask(random_model, SMALL, 1)
    assert len({ask(random_model, SMALL, seed)[0] for seed in range(4)}) > 1
    assert ask(random_model, SMALL, 1, temperature=0) == ask(random_model, SMALL, 2, temperature=0)


def test_a_truncated_reply_is_marked_as_truncated(random_model: LocalModel) -> None:
    assert ask(random_model, SMALL, tokens=3)[1] == "length"


def test_a_model_that_knows_an_answer_gives_it(data_root: Path, tmp_path: Path) -> None:
    about = replace(question(data_root), text="What is near a star?")
    folder = chat_model(tmp_path / "Fitted-Llama", [about.text, answer_text()], fitted_to=(about.text, answer_text()))
    model = LocalModel(str(folder), device="cpu")
    assert model.model == "Fitted-Llama" and model.revision is not None and model.revision.startswith("sha256:")
    heard = model.ask(about, Decoding(temperature=0, max_tokens=1500), 0, 0)
    assert (heard.text, heard.finish) == (answer_text(), "stop")
    reply = Reply(sample=0, date="2026-11-22", finish=heard.finish, form=heard.form, text=heard.text)
    assert parse_reply(reply, about).outcome == "answered"


def test_models_that_cannot_be_queried_are_refused(tmp_path: Path, random_model: LocalModel) -> None:
    (tmp_path / "empty").mkdir()
    with raises("model.unreadable") as caught:
        LocalModel(str(tmp_path / "empty"))
    assert "\n" not in str(caught.value)
    with raises("model.no-chat-template"):
        LocalModel(str(chat_model(tmp_path / "base", ["x"], template=None)))
    with raises("model.text-only"):
        random_model.ask(Question("x", SMALL, images=(b"",)), Decoding(), 0, 0)
