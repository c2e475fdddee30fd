"""Asking sample by sample: attempts, resuming, and what is never asked again."""

from __future__ import annotations

from pathlib import Path

import pytest

from codes import raises
from probes.answers import answer_text, elicitation_request, question
from unconceal.errors import EnvironmentFault, UsageError
from unconceal.probes.elicit import elicit, samples_of
from unconceal.probes.prompt import Question
from unconceal.probes.providers import CollectedReplies, ProviderReply
from unconceal.probes.transcript import Transcript, read_transcript
from unconceal.progress import Silent
from unconceal.specs.elicitation import Decoding, ProviderKind


class Scripted:
    """Says what the script says, then fails."""

    kind: ProviderKind = "endpoint"
    model, revision = "someone/Some-Model", None

    def __init__(self, *script: ProviderReply | str) -> None:
        self.script, self.seeds = list(script), list[int]()

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> ProviderReply:
        if not self.script:
            raise EnvironmentFault("endpoint.not-reached", "the server", "is down", "wait")
        self.seeds.append(seed)
        heard = self.script.pop(0)
        return heard if isinstance(heard, ProviderReply) else ProviderReply(heard, "stop", "requested")


def ask(provider: Scripted, root: Path, samples: int = 2, attempts: int = 3, temperature: float = 0.7) -> Transcript:
    about = question(root)
    header = elicitation_request(about).model_copy(
        update={"provider": "endpoint", "decoding": Decoding(temperature=temperature, max_tokens=10, seed=5)}
    )
    return elicit(provider, about, header, samples, attempts, root / "x.replies.jsonl", Silent())


def outcomes(transcript: Transcript, root: Path) -> list[str]:
    return [sample.outcome for sample in samples_of(transcript, question(root))]


def test_invalid_replies_are_asked_again_and_kept(data_root: Path) -> None:
    provider = Scripted("what?", answer_text(), "no", "no", "no")
    transcript = ask(provider, data_root)
    assert outcomes(transcript, data_root) == ["answered", "invalid"] and provider.seeds == [5, 6, 105, 106, 107]
    assert [reply.text for reply in transcript.replies] == ["what?", answer_text(), "no", "no", "no"]
    assert read_transcript(data_root / "x.replies.jsonl") == transcript


def test_refusals_and_cuts_are_not(data_root: Path) -> None:
    provider = Scripted(ProviderReply("no", "refusal", "free"), ProviderReply("{", "length", "free"), "I'm sorry, no.")
    assert outcomes(ask(provider, data_root, samples=3), data_root) == ["refused", "truncated", "refused"]


def test_greedy_decoding_is_not_repeated(data_root: Path) -> None:
    assert len(ask(Scripted("what?", "what?"), data_root, samples=1, temperature=0).replies) == 1


def test_a_collected_reply_is_read_once(data_root: Path) -> None:
    about = question(data_root)
    given = CollectedReplies("someone/Some-Model", None, ["what?", answer_text()])
    transcript = elicit(given, about, elicitation_request(about), 2, 3, data_root / "x.replies.jsonl", Silent(), "2026-11-20")
    assert [reply.text for reply in transcript.replies] == ["what?", answer_text()] and transcript.replies[0].date == "2026-11-20"


def test_an_interrupted_elicitation_resumes(data_root: Path) -> None:
    with raises("endpoint.not-reached"):
        ask(Scripted(answer_text(), "what?"), data_root)
    provider = Scripted(answer_text("ring", "circle"))
    assert outcomes(ask(provider, data_root), data_root) == ["answered", "answered"] and provider.seeds == [106]
    assert len(ask(Scripted(), data_root).replies) == 3, "nothing is left to ask"


def test_replies_to_something_else_are_not_mixed(data_root: Path) -> None:
    ask(Scripted(answer_text(), answer_text()), data_root)
    with raises("probes.mixed-settings"):
        ask(Scripted(), data_root, temperature=1.0)


def test_half_characters_are_kept_as_far_as_they_can_be(data_root: Path) -> None:
    transcript = ask(Scripted("\ud800x", "\ud800x"), data_root, samples=1, attempts=1)
    assert transcript.replies[0].text == "?x" and read_transcript(data_root / "x.replies.jsonl") == transcript


def test_given_replies_are_lines_or_json_strings(tmp_path: Path) -> None:
    path = tmp_path / "replies.txt"
    path.write_text('{"a": 1}\n\n"two\\nlines"\nplain\n')
    assert CollectedReplies.read(path, "m", None).replies == ['{"a": 1}', "two\nlines", "plain"]
    for content in (b"\n", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(UsageError):
            CollectedReplies.read(path, "m", None)


@pytest.mark.parametrize(
    ("change", "code", "location"),
    [
        (lambda text: "", "replies.empty", ""),
        (lambda text: text.split("\n", 1)[1], "replies.bad-line", ":1: "),
        (lambda text: text + text.rstrip("\n").rsplit("\n", 1)[1], "replies.altered", ""),
        (lambda text: text + '{"sample": -1}', "replies.bad-line", ":4: "),
        (lambda text: text + '{"sample"', "replies.bad-line", ":4: "),
    ],
)
def test_altered_reply_files_are_refused(data_root: Path, change: object, code: str, location: str) -> None:
    ask(Scripted(answer_text(), answer_text()), data_root)
    path = data_root / "x.replies.jsonl"
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with raises(code) as caught:
        read_transcript(path)
    assert location in str(caught.value) and "\n" not in str(caught.value)
