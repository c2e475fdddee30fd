"""The real client against a server on loopback: good replies, bad ones, failures in one line, and the key nowhere."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path

import pytest

from codes import raises
from probes.answers import answer_text, question
from probes.server import Replied, serving
from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError, UsageError
from unconceal.probes.endpoint import PNG, Endpoint
from unconceal.probes.prompt import Question
from unconceal.probes.providers import ProviderReply
from unconceal.probes.rating_prompt import rate_pair, rating_question
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


def ask(address: str, about: Question, timeout: float = 10, retries: int = 0) -> ProviderReply:
    return Endpoint("some-model", address, timeout, retries).ask(about, SETTINGS, 0, 7)


def test_a_good_reply_with_its_request(data_root: Path) -> None:
    about = question(data_root)
    with serving(answer_text()) as server:
        assert ask(server.address, about) == ProviderReply(answer_text(), "stop", "requested", "served-model")
    (request,) = server.requests
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
def test_invalid_replies_are_passed_on(data_root: Path, reply: Replied, text: str, finish: str) -> None:
    with serving(reply) as server:
        heard = ask(server.address, question(data_root))
    assert (heard.text, heard.finish) == (text, finish)


def test_a_server_that_refuses_the_schema_is_asked_without(data_root: Path) -> None:
    with serving(answer_text()) as server:
        server.refuses_schema, server.model = True, "/models/some.gguf"
        endpoint = Endpoint("some-model", server.address, 10, 0)
        for _ in range(2):
            assert endpoint.ask(question(data_root), SETTINGS, 0, 7) == ProviderReply(answer_text(), "stop", "free", "some.gguf")
    assert ["response_format" in request for request in server.requests] == [True, False, False]


FAILURES = [
    (Replied(status=401), EnvironmentFault, "endpoint.not-authorized", "HTTP 401"),
    (Replied(status=403), EnvironmentFault, "endpoint.not-authorized", "HTTP 403"),
    (Replied(status=404), UsageError, "endpoint.unknown-model", "HTTP 404"),
    (Replied(status=429), EnvironmentFault, "endpoint.rate-limited", "HTTP 429"),
    (Replied(status=500), EnvironmentFault, "endpoint.server-error", "HTTP 500"),
    (Replied("prompt\ntoo\x1b long", status=400), CheckFailed, "endpoint.request-refused", "HTTP 400: prompt too long: Bearer [key]"),
    (Replied(answer_text(), wait=5), EnvironmentFault, "endpoint.timeout", "0.3 s"),
    (Replied(answer_text(), dropped=True), EnvironmentFault, "endpoint.disconnected", ""),
    (Replied(body=b"<html>"), EnvironmentFault, "endpoint.bad-response", ""),
    (Replied(body=b'{"choices": []}'), EnvironmentFault, "endpoint.bad-response", "no choices"),
    (Replied(body=b'{"choices": [{"message": {"content": [1]}}]}'), EnvironmentFault, "endpoint.bad-response", ""),
    (Replied(body=b'{"error": "out of memory"}'), EnvironmentFault, "endpoint.bad-response", ""),
]


@pytest.mark.parametrize(("reply", "kind", "code", "detail"), FAILURES)
def test_failures_are_one_line_without_the_key(
    data_root: Path, reply: Replied, kind: type[UnconcealError], code: str, detail: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(reply) as server, pytest.raises(kind) as caught:
        ask(server.address, question(data_root), timeout=0.3 if reply.wait else 10)
    line = str(caught.value)
    assert line.startswith(f"model 'some-model' at {server.address}: ") and detail in line and "\n" not in line
    assert caught.value.code == code
    output = capfd.readouterr()
    traceback_text = "".join(traceback.format_exception(caught.value))
    assert SECRET not in line + traceback_text + output.out + output.err


def test_a_busy_server_is_asked_again(data_root: Path) -> None:
    with serving(Replied(status=429), Replied(status=500), Replied(answer_text(), dropped=True), answer_text()) as server:
        assert ask(server.address, question(data_root), retries=3).text == answer_text()
    assert len(server.requests) == 4


def test_unreachable_servers_and_wrong_addresses(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with raises("endpoint.not-reached"):
        ask(f"http://127.0.0.1:{port}/v1", question(data_root))
    for address in ("127.0.0.1:8000", "ftp://x/v1", "http://", "http://[", "http://x:y/v1"):
        with raises("endpoint.bad-address"):
            Endpoint("m", address)
    for address in (f"http://me:{SECRET}@x/v1", f"http://x/v1?key={SECRET}"):
        with raises("endpoint.bad-address") as caught:
            Endpoint("m", address)
        assert SECRET not in str(caught.value)
    with serving(answer_text()) as server, raises("endpoint.unknown-model"):
        ask(server.address.removesuffix("/v1"), question(data_root))
    monkeypatch.setenv("UNCONCEAL_API_KEY", f"{SECRET}\n{SECRET}")
    with raises("endpoint.bad-key") as caught:
        Endpoint("m", "http://127.0.0.1:1/v1")
    assert SECRET not in str(caught.value)


def test_without_a_key_the_server_may_ask_for_one(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNCONCEAL_API_KEY")
    with serving(Replied(status=401)) as server, raises("endpoint.not-authorized"):
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
        rating = rate_pair(Endpoint("see", server.address, 10, 0), rating_question("star", "cross", pictures), SETTINGS)
    assert (rating.value, rating.outcome) == (value, outcome)
    text, first, second = server.requests[0]["messages"][0]["content"]
    assert "first picture shows star, the second shows cross" in text["text"]
    assert first["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgpvbmU=" and second != first


def test_only_png_is_shown() -> None:
    with serving("x") as server, raises("images.unreadable"):
        rate_pair(Endpoint("see", server.address), rating_question("a", "b", (PNG, b"GIF89a")), SETTINGS)
