from __future__ import annotations

from pathlib import Path

import pytest

from codes import raises
from unconceal.paths import DataRoot
from unconceal.specs.document import Document
from unconceal.specs.loader import load_submission, load_suite
from unconceal.specs.problems import SpecProblems
from unconceal.specs.round_trip import yaml_text
from unconceal.specs.submission_draft import one_line, parse_checkpoint, write_submission


@pytest.fixture
def root(data_root: Path) -> DataRoot:
    return DataRoot.find(data_root)


FIELDS = {"name": "my-method", "title": "Mine: a title", "description": "It's a 'test', #1", "paper": "", "contact": "a@b.c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("someone/erased@main", {"repo": "someone/erased", "revision": "main"}),
        ("someone/erased@main/esd/x.pt", {"repo": "someone/erased", "revision": "main", "file": "esd/x.pt"}),
        ("someone/erased@v1/unet", {"repo": "someone/erased", "revision": "v1", "subfolder": "unet"}),
        (" weights/x.safetensors ", {"path": "weights/x.safetensors"}),
        (" {rule: negative-prompt, prompt: star}", {"format": "original", "inference": {"rule": "negative-prompt", "prompt": "star"}}),
    ],
)
def test_a_checkpoint_is_parsed_from_one_line(text: str, expected: dict[str, object]) -> None:
    assert parse_checkpoint(text) == expected


@pytest.mark.parametrize("text", ["{rule: negative-prompt", "{]}", "{{" * 500, "{rule: !!python/name:os.system x}", "{a: b} c"])
def test_a_rule_that_is_no_mapping(text: str) -> None:
    with raises("inference.bad-mapping"):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "text", ["plain", "a: b", "it's", "#1", "yes", "1e5", "- x", "{a}", " spaces ", "line\nbreak", "!!python/object", "é – ü"]
)
def test_text_survives_a_round_trip(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    path.write_text(yaml_text({"a": one_line(text)}), encoding="utf-8")
    result = Document.read(path).values["a"]
    assert result == " ".join(text.split())


def test_a_written_submission_is_read_back(root: DataRoot) -> None:
    path = write_submission(root, "tiny", FIELDS, {"object/star": parse_checkpoint("someone/erased@main/x.pt")})
    read = load_submission(root, "tiny/my-method")
    assert (read.title, read.description, read.paper) == (FIELDS["title"], FIELDS["description"], None)
    assert read.checkpoints["object/star"].is_draft
    with raises("submission.exists"):
        write_submission(root, "tiny", FIELDS, {})
    path.unlink()


@pytest.mark.parametrize("name", ["My Method", "../x", "x/y", ""])
def test_names_that_are_no_file(root: DataRoot, name: str) -> None:
    with raises("submission.bad-name"):
        write_submission(root, "tiny", FIELDS | {"name": name}, {})


def test_another_base_is_refused(root: DataRoot) -> None:
    actual = load_suite(root, "tiny").base.path
    given = {"object/star": {"path": "x.pt"}}
    write_submission(root, "tiny", FIELDS | {"base": actual}, given).unlink()
    with raises("submission.other-base"):
        write_submission(root, "tiny", FIELDS | {"base": "someone/another"}, given)


def test_an_invalid_submission_is_not_written(root: DataRoot) -> None:
    with pytest.raises(SpecProblems):
        write_submission(root, "tiny", FIELDS, {})
    with raises("path.outside-root"):
        write_submission(root, "tiny", FIELDS, {"object/star": {"path": "../../etc/passwd"}})
    assert not (root.submissions / "tiny" / "my-method.yaml").exists()
