"""From replies to the frozen set: what counts, what is refused, and that the file is read back as it was written."""

from __future__ import annotations

from pathlib import Path

from codes import raises
from probes.answers import ATTACK, answer_text, elicitation_request, question, reply, transcript
from unconceal.probes.freeze import freeze, to_yaml
from unconceal.probes.transcript import Transcript
from unconceal.specs.loader import read_yaml
from unconceal.specs.probe_set import ProbeSet, ReplyFile

FILE = ReplyFile(file="some-model.replies.jsonl", digest="0" * 64)


def test_all_samples_are_counted(data_root: Path) -> None:
    about = question(data_root)
    replies = (
        reply("what?", 0),
        reply(answer_text(), 0, 1),
        reply(answer_text("ring", "circle"), 1),
        reply("no", 2, finish="refusal"),
        reply("{", 3, finish="length"),
        reply("what?", 4),
    )
    probes = freeze(Transcript(elicitation_request(about), replies), about, FILE)
    assert probes.samples.model_dump() == {"requested": 5, "answered": 2, "refused": 1, "truncated": 1, "invalid": 1, "replies": 6}
    assert probes.forms == ("free",) and probes.date == "2026-11-22" and probes.revision is None
    assert {neighbour.concept: neighbour.mentions for neighbour in probes.neighbours}["ring"] == 2


def test_too_few_answers_are_refused_unless_told_otherwise(data_root: Path) -> None:
    about = question(data_root)
    replies = transcript(about, answer_text(), "I'm sorry, no.")
    with raises("probes.too-few-answers") as caught:
        freeze(replies, about, FILE)
    assert "\n" not in str(caught.value)
    probes = freeze(replies, about, FILE, min_samples=1)
    assert probes.agreement.kendall_tau is None and probes.neighbours[0].rank.std is None
    with raises("probes.too-few-answers"):
        freeze(transcript(about, "x"), about, FILE, min_samples=1)


def test_another_prompt_or_several_models_are_refused(data_root: Path) -> None:
    about = question(data_root)
    replies = transcript(about, answer_text(), answer_text())
    other = Transcript(replies.request.model_copy(update={"prompt_digest": "1" * 64}), replies.replies)
    with raises("probes.prompt-changed"):
        freeze(other, about, FILE)
    mixed = Transcript(replies.request, (reply(answer_text(), 0, served="a"), reply(answer_text(), 1, served="b")))
    with raises("probes.several-models"):
        freeze(mixed, about, FILE)
    same = Transcript(replies.request, (reply(answer_text(), 0, served="a"), reply(answer_text(), 1, served="a")))
    assert freeze(same, about, FILE).revision == "a"


def test_duplicate_attacks_and_those_that_name_the_target_are_dropped(data_root: Path) -> None:
    about = question(data_root)
    naming_attack = {"prompt": "a Star in the sky", "attribute": "place"}
    replies = transcript(
        about, answer_text(attacks=[ATTACK, naming_attack]), answer_text(attacks=[ATTACK | {"prompt": ATTACK["prompt"].upper()}])
    )
    probes = freeze(replies, about, FILE)
    assert [attack.prompt for attack in probes.attacks] == [ATTACK["prompt"]] and probes.n_dropped_attacks == 1


def test_the_file_is_read_back_as_it_was(data_root: Path, tmp_path: Path) -> None:
    about = question(data_root)
    odd = [
        {"prompt": text, "attribute": "on"}
        for text in ("null", "1e-5", "a: b # c", "- x", "'quoted' \"twice\"", "é ☂ 雨", "2024-01-01", "*a")
    ]
    probes = freeze(transcript(about, answer_text(attacks=odd), answer_text("no", "yes", "1.5", "~", "circle")), about, FILE)
    path = tmp_path / "some-model.yaml"
    path.write_text(to_yaml(probes), encoding="utf-8")
    assert read_yaml(path, ProbeSet) == probes
    assert (
        to_yaml(freeze(transcript(about, answer_text(attacks=odd), answer_text("no", "yes", "1.5", "~", "circle")), about, FILE))
        == path.read_text()
    )
