"""The real client against a server on loopback: good replies, bad ones, failures in one line, and the key nowhere."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path

import pytest

from probes.answers import question, said
from probes.server import Replied, serving
from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError, UsageError
from unconceal.probes.endpoint import PNG, Endpoint
from unconceal.probes.prompt import Question
from unconceal.probes.providers import Heard
from unconceal.probes.rating_prompt import likeness, likeness_question
from unconceal.specs.elicitation import Decoding

SECRET = "sk-very-secret-0123456789"
SETTINGS = Decoding(temperature=0.5, max_tokens=50, seed=7)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNCONCEAL_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-of-another-service")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-service")
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def ask(address: str, about: Question, timeout: float = 10, retries: int = 0) -> Heard:
    return Endpoint("some-model", address, timeout, retries).ask(about, SETTINGS, 0, 7)


def test_a_good_reply_and_what_was_asked(data_root: Path) -> None:
    about = question(data_root)
    with serving(said()) as server:
        assert ask(server.address, about) == Heard(said(), "stop", "requested", "served-model")
    (request,) = server.seen
    assert request["messages"] == [{"role": "user", "content": about.text}]
    assert (request["model"], request["temperature"], request["max_tokens"], request["seed"]) == ("some-model", 0.5, 50, 7)
    assert request["response_format"]["json_schema"]["schema"] == about.schema
    (headers,) = server.headers
    assert headers["authorization"] == f"Bearer {SECRET}" and "of-another-service" not in str(headers)


@pytest.mark.parametrize(
    ("reply", "text", "finish"),
    [
        (Replied("not JSON at all"), "not JSON at all", "stop"),
        (Replied('{"neigh', finish="length"), '{"neigh', "length"),
        (Replied(None, refusal="I cannot."), "I cannot.", "refusal"),
        (Replied("", finish="content_filter"), "", "refusal"),
        (Replied("fine", finish=None), "fine", "stop"),
        (Replied(f"your key is {SECRET}"), "your key is [key]", "stop"),
    ],
)
def test_replies_that_are_no_answers_are_handed_on_as_such(data_root: Path, reply: Replied, text: str, finish: str) -> None:
    with serving(reply) as server:
        heard = ask(server.address, question(data_root))
    assert (heard.text, heard.finish) == (text, finish)


def test_a_server_that_refuses_the_schema_is_asked_without(data_root: Path) -> None:
    with serving(said()) as server:
        server.refuses_schema, server.model = True, "/models/some.gguf"
        endpoint = Endpoint("some-model", server.address, 10, 0)
        for _ in range(2):
            assert endpoint.ask(question(data_root), SETTINGS, 0, 7) == Heard(said(), "stop", "free", "some.gguf")
    assert ["response_format" in request for request in server.seen] == [True, False, False]


FAILURES = [
    (Replied(status=401), EnvironmentFault, "refuses the key (HTTP 401); put one that is valid there into UNCONCEAL_API_KEY"),
    (Replied(status=403), EnvironmentFault, "refuses the key (HTTP 403)"),
    (Replied(status=404), UsageError, "is not known there (HTTP 404); check --model"),
    (Replied(status=429), EnvironmentFault, "too many requests (HTTP 429); wait some minutes"),
    (Replied(status=500), EnvironmentFault, "fails (HTTP 500); run the same command again later"),
    (Replied("prompt\ntoo\x1b long", status=400), CheckFailed, "refuses the request (HTTP 400: prompt too long: Bearer [key])"),
    (Replied(said(), wait=5), EnvironmentFault, "was silent for 0.3 s"),
    (Replied(said(), dropped=True), EnvironmentFault, "broke the connection off"),
    (Replied(body=b"<html>"), EnvironmentFault, "no chat completion"),
    (Replied(body=b'{"choices": []}'), EnvironmentFault, "no chat completion (no choices)"),
    (Replied(body=b'{"choices": [{"message": {"content": [1]}}]}'), EnvironmentFault, "no chat completion"),
    (Replied(body=b'{"error": "out of memory"}'), EnvironmentFault, "no chat completion"),
]


@pytest.mark.parametrize(("reply", "kind", "text"), FAILURES)
def test_failures_are_one_line_without_the_key(
    data_root: Path, reply: Replied, kind: type[UnconcealError], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(reply) as server, pytest.raises(kind) as caught:
        ask(server.address, question(data_root), timeout=0.3 if reply.wait else 10)
    line = str(caught.value)
    assert line.startswith(f"model 'some-model' at {server.address}: ") and text in line and "\n" not in line
    shown = capfd.readouterr()
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in line + told + shown.out + shown.err


def test_a_busy_server_is_asked_again(data_root: Path) -> None:
    with serving(Replied(status=429), Replied(status=500), Replied(said(), dropped=True), said()) as server:
        assert ask(server.address, question(data_root), retries=3).text == said()
    assert len(server.seen) == 4


def test_nobody_there_and_wrong_addresses(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EnvironmentFault, match="was not reached"):
        ask(f"http://127.0.0.1:{port}/v1", question(data_root))
    for address in ("127.0.0.1:8000", "ftp://x/v1", "http://", "http://[", "http://x:y/v1"):
        with pytest.raises(UsageError, match="is no address of a server"):
            Endpoint("m", address)
    for address in (f"http://me:{SECRET}@x/v1", f"http://x/v1?key={SECRET}"):
        with pytest.raises(UsageError, match="carries a user, a password") as caught:
            Endpoint("m", address)
        assert SECRET not in str(caught.value)
    with serving(said()) as server, pytest.raises(UsageError, match="ends where its API begins"):
        ask(server.address.removesuffix("/v1"), question(data_root))
    monkeypatch.setenv("UNCONCEAL_API_KEY", f"{SECRET}\n{SECRET}")
    with pytest.raises(UsageError, match="holds blanks") as caught:
        Endpoint("m", "http://127.0.0.1:1/v1")
    assert SECRET not in str(caught.value)


def test_without_a_key_the_server_may_ask_for_one(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNCONCEAL_API_KEY")
    with serving(Replied(status=401)) as server, pytest.raises(EnvironmentFault, match="asks for a key"):
        ask(server.address, question(data_root))
    assert server.headers[0]["authorization"] == "Bearer none"


@pytest.mark.parametrize(
    ("reply", "value", "outcome"),
    [
        (Replied('Sure: {"likeness": 7}'), 7, "answered"),
        (Replied('{"likeness": 11}'), None, "invalid"),
        (Replied('{"likeness": true}'), None, "invalid"),
        (Replied("seven"), None, "invalid"),
        (Replied("[{}]"), None, "invalid"),
        (Replied(None, refusal="No."), None, "refused"),
        (Replied('{"like', finish="length"), None, "truncated"),
    ],
)
def test_likeness_of_two_pictures(reply: Replied, value: int | None, outcome: str) -> None:
    pictures = (PNG + b"one", PNG + b"two")
    with serving(reply) as server:
        found = likeness(Endpoint("see", server.address, 10, 0), likeness_question("star", "cross", pictures), SETTINGS)
    assert (found.value, found.outcome) == (value, outcome)
    text, first, second = server.seen[0]["messages"][0]["content"]
    assert "first picture shows star, the second shows cross" in text["text"]
    assert first["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgpvbmU=" and second != first


def test_only_png_is_shown() -> None:
    with serving("x") as server, pytest.raises(UsageError, match="picture 2: is no PNG"):
        likeness(Endpoint("see", server.address), likeness_question("a", "b", (PNG, b"GIF89a")), SETTINGS)
