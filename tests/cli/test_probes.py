"""``unconceal probes``, from the prompt to the frozen set."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes
from probes.answers import answer_text, question
from probes.chat_model import chat_model
from probes.server import Replied, serving
from unconceal.cli.main import main
from unconceal.specs.loader import read_yaml

STAR = "object/star"
SECRET = "sk-very-secret-0123456789"


def probes(root: Path, *arguments: str, debug: bool = False) -> Result:
    result = CliRunner().invoke(main, [*(["--debug"] if debug else []), "probes", *arguments, "--root", str(root)])
    assert debug or result.exit_code == 0 or (result.stderr.count("error: ") == 1 and "Traceback" not in result.stderr), result.output
    return result


def given(root: Path, *replies: str) -> list[str]:
    path = root / "given.txt"
    path.write_text("".join(f"{json.dumps(reply)}\n" for reply in replies))
    return ["elicit", STAR, "--from-replies", str(path), "--model", "someone/Some-Model"]


def test_the_prompt_is_printed_exactly(data_root: Path) -> None:
    assert probes(data_root, "elicit", STAR, "--print-prompt").stdout == question(data_root).text
    assert not (data_root / "tasks/tiny/object/star.probes").exists()


def test_from_given_replies_to_the_frozen_set(data_root: Path) -> None:
    elicited = probes(
        data_root, *given(data_root, answer_text(), f"Here:\n{answer_text('ring', 'circle')}", "I'm sorry, no."), "--date", "2026-11-20"
    )
    assert elicited.exit_code == 0 and "3 samples: 2 answered, 1 refused (I'm sorry, no.)" in elicited.stdout
    folder = data_root / "tasks/tiny/object/star.probes"
    replies = folder / "some-model.replies.jsonl"
    frozen = probes(data_root, "freeze", STAR, str(replies))
    assert frozen.exit_code == 0 and [int(number) for number in re.findall(r" (\d+)", frozen.stdout)] == [10, 1, 2, 3]
    assert sorted(path.name for path in folder.iterdir()) == ["some-model.replies.jsonl", "some-model.yaml"]
    assert (folder / "some-model.yaml").read_text().startswith("# yaml-language-server: $schema=../../../../schemas/probes.schema.json\n")
    lint = CliRunner().invoke(main, ["tasks", "lint", STAR, "--root", str(data_root)])
    assert lint.exit_code == 0, lint.output

    (row,) = json.loads(probes(data_root, "show", STAR, "--json").stdout)
    assert (row["language_model"], row["provider"], row["answered"], row["date"]) == ("some-model", "replies", "2/3", "2026-11-20")
    output = probes(data_root, "show", STAR, "someone/Some-Model").stdout
    assert "diamond" in output and "a five-armed badge" in output and "another than" not in output
    whole = json.loads(probes(data_root, "show", STAR, "some-model", "--json").stdout)
    assert whole["model"] == "someone/Some-Model" and whole["decoding"] == {"temperature": None, "max_tokens": None, "seed": None}
    assert probes(data_root, "show", STAR, "other").exit_code == 2


def test_a_frozen_set_is_not_overwritten_unseen(data_root: Path, tmp_path: Path) -> None:
    probes(data_root, *given(data_root, answer_text(), answer_text()))
    replies = str(data_root / "tasks/tiny/object/star.probes/some-model.replies.jsonl")
    assert [probes(data_root, "freeze", STAR, replies).exit_code for _ in range(2)] == [0, 0]
    probes(data_root, *given(data_root, answer_text(), answer_text("ring", "circle")), "--out", str(tmp_path))
    other = str(tmp_path / "some-model.replies.jsonl")
    refused = probes(data_root, "freeze", STAR, other)
    assert refused.exit_code == 1 and printed_codes(refused.stderr) == ["probes.already-frozen"]
    assert probes(data_root, "freeze", STAR, other, "--replace").exit_code == 0
    assert Path(other).read_bytes() == Path(replies).read_bytes()


def test_lint_reports_mistakes_of_a_frozen_set(data_root: Path) -> None:
    probes(data_root, *given(data_root, answer_text(), answer_text()))
    folder = data_root / "tasks/tiny/object/star.probes"
    probes(data_root, "freeze", STAR, str(folder / "some-model.replies.jsonl"))
    path = folder / "some-model.yaml"
    path.write_text(path.read_text().replace("concept: cross", "concept: star"))
    (folder / "some-model.replies.jsonl").write_text("{}\n")
    lint = CliRunner().invoke(main, ["tasks", "lint", STAR, "--root", str(data_root)])
    assert lint.exit_code == 1 and "some-model.yaml:" in lint.stderr and "probes.target-as-neighbour" in printed_codes(lint.stderr)
    path.write_text(path.read_text().replace("concept: star", "concept: cross"))
    lint = CliRunner().invoke(main, ["tasks", "lint", STAR, "--root", str(data_root)])
    assert lint.exit_code == 1 and printed_codes(lint.stderr) == ["probes.digest-mismatch"]


def test_an_endpoint_is_queried_without_leaking_its_key(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNCONCEAL_API_KEY", SECRET)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    out = tmp_path / "out"
    with serving(f"what? {SECRET}", answer_text(), Replied(status=401)) as server:
        options = ["elicit", STAR, "--provider", "endpoint", "--base-url", server.address, "--model", "org/Served", "--out", str(out)]
        broken = probes(data_root, *options, "--samples", "2")
        traced = probes(data_root, *options, "--samples", "2", debug=True)
        assert broken.exit_code == 3 and printed_codes(broken.stderr) == ["endpoint.not-authorized"]
        server.replies = [Replied(answer_text("ring", "circle"))]
        done = probes(data_root, *options, "--samples", "2")
    assert done.exit_code == 0 and "2 samples: 2 answered" in done.stdout
    assert len(server.requests) == 5, "what was answered is not asked again"
    froze = probes(data_root, "freeze", STAR, str(out / "served.replies.jsonl"))
    files = [path.read_text() for path in (*out.iterdir(), *(data_root / "tasks").rglob("*.*")) if path.is_file()]
    output = [result.output + str(result.exception) for result in (broken, traced, done, froze)]
    assert all(SECRET not in text for text in [*files, *output]) and any("[key]" in text for text in files)
    assert read_served(data_root) == ("endpoint", "served-model", ("requested",))


def read_served(root: Path) -> tuple[str, str | None, tuple[str, ...]]:
    from unconceal.specs.probe_set import ProbeSet

    result = read_yaml(root / "tasks/tiny/object/star.probes/served.yaml", ProbeSet)
    return result.provider, result.revision, result.forms


def test_a_local_model_is_asked(data_root: Path, tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "Random-Llama", [answer_text()])
    options = ["--provider", "local", "--model", str(folder), "--samples", "2", "--max-tokens", "5", "--device", "cpu"]
    done = probes(data_root, "elicit", STAR, *options)
    assert done.exit_code == 0 and "2 samples: 2 truncated" in done.stdout
    replies = data_root / "tasks/tiny/object/star.probes/random-llama.replies.jsonl"
    assert str(tmp_path) not in replies.read_text() and '"form":"grammar"' in replies.read_text()
    refused = probes(data_root, "freeze", STAR, str(replies))
    assert refused.exit_code == 1 and printed_codes(refused.stderr) == ["probes.too-few-answers"]


@pytest.mark.parametrize(
    ("options", "code", "value"),
    [
        ([], "probes.missing-option", "--model"),
        (["--model", "x"], "probes.missing-option", "--provider"),
        (["--model", "x", "--provider", "endpoint"], "probes.missing-option", "endpoint"),
        (["--model", "x", "--provider", "local", "--base-url", "http://x/v1"], "probes.missing-option", "--provider"),
        (["--model", "x", "--provider", "local", "--temperature", "0", "--samples", "3"], "probes.zero-temperature", "3 samples"),
        (["--model", "x", "--provider", "local", "--from-replies", __file__], "probes.conflicting-options", "--from-replies"),
    ],
)
def test_contradictory_options_are_refused(data_root: Path, options: list[str], code: str, value: str) -> None:
    result = probes(data_root, "elicit", STAR, *options)
    assert result.exit_code == 2 and printed_codes(result.stderr) == [code] and value in result.stderr.split(": ")[1]


def test_replies_of_another_task_are_refused(data_root: Path) -> None:
    probes(data_root, *given(data_root, answer_text(), answer_text()))
    task = data_root / "tasks/tiny/object/star.yaml"
    (task.parent / "moon.yaml").write_text(task.read_text().replace("concept: star", "concept: moon", 1))
    replies = task.parent / "star.probes/some-model.replies.jsonl"
    wrong = probes(data_root, "freeze", "object/moon", str(replies))
    assert wrong.exit_code == 2 and printed_codes(wrong.stderr) == ["probes.wrong-task"]
    task.write_text(task.read_text().replace("a star number 1\n", "a star number one\n"))
    stale = probes(data_root, "freeze", STAR, str(replies))
    assert stale.exit_code == 1 and printed_codes(stale.stderr) == ["probes.prompt-changed"]
