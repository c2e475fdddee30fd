"""YAML and records of strangers: each is refused in one line, at once, in little memory, with exit code 1 or 2.

With the 50 weights of ``tests/checkpoints/hostile`` and the images of ``tests/results/test_image_files.py`` this is the hostile corpus.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from codes import printed_codes
from leaderboard.records import data_root as record_root
from leaderboard.records import record
from unconceal.cli.main import main
from unconceal.errors import MAX_LINE, MAX_LINES

SECONDS, MEBIBYTES = 2.0, 400
"""Processor time, and growth of the resident memory."""
HEAD = "name: esd-x\nsuite: tiny\ntitle: T\ndescription: D\n"
CHECKPOINTS = "checkpoints:\n  object/star:\n    "


def spec(line: str) -> str:
    """A submission with one hostile line in its checkpoint."""
    return HEAD + CHECKPOINTS + line + "\n"


YAML: dict[str, str | bytes] = {
    "one line of a hundred thousand": HEAD + "a: [" + "1," * 95_000 + "1]\n",
    "many keys": HEAD + "".join(f"k{number}: 1\n" for number in range(7_000)),
    "many unknown tasks": HEAD + "checkpoints:\n" + "".join(f"  object/t{number}: {{path: a.pt}}\n" for number in range(1_000)),
    "many lines": HEAD + "\n" * 190_000,
    "one long scalar": HEAD + "title2: " + "x" * 190_000,
    "a million bytes": "#" * 10**6,
    "deep brackets": HEAD + "a: " + "[" * 50_000,
    "deep braces": HEAD + "a: " + "{a: " * 30_000,
    "deep dashes": "- " * 90_000,
    "deep question marks": "? " * 90_000,
    "an alias bomb": "a: &a [1]\nb: &b [*a,*a]\nc: [*b,*b]\n" + HEAD,
    "a merge of itself": "a: &a\n  <<: *a\n" + HEAD,
    "a tag": HEAD + "a: !!python/object/apply:os.system ['id']\n",
    "many tags": "!" * 190_000,
    "two documents": HEAD + "---\n" + HEAD,
    "a list": "- a\n- b\n",
    "nothing": "",
    "nothing but a comment": "# nothing\n",
    "NUL": HEAD + "a: \0\n",
    "escape sequences": HEAD + '"\\e[31m": 1\n',
    "raw escape sequences": HEAD.encode() + b"\x1b[31mx: 1\n",
    "marks of direction": HEAD + '"\\u202Etxt": 1\n',
    "a lone surrogate": HEAD.replace("title: T", 'title: "\\ud800"') + CHECKPOINTS + "path: a.pt\n",
    "a sign beyond Unicode": HEAD + 'a: "\\U00110000"\n',
    "latin-1": HEAD.encode() + "a: é\n".encode("latin-1"),
    "UTF-16": HEAD.encode("utf-16"),
    "binary": bytes(range(256)) * 40,
    "an integer of 5,000 digits": spec("gigabytes: " + "9" * 5_000),
    "a hexadecimal of 5,000 digits": spec("gigabytes: 0x" + "f" * 5_000),
    "0x_": spec("gigabytes: 0x_"),
    "0b_": spec("gigabytes: 0b_"),
    "._": spec("gigabytes: ._"),
    "an infinite number": spec("path: a.pt\n    gigabytes: .inf"),
    "no number": spec("path: a.pt\n    gigabytes: .nan"),
    "a list as a key": HEAD + "? [a]\n: b\n",
    "a key twice": HEAD + "name: other\n" + CHECKPOINTS + "path: a.pt\n",
    "another name": HEAD.replace("esd-x", "other") + CHECKPOINTS + "path: a.pt\n",
    "a name of 300 letters": HEAD.replace("esd-x", "x" * 300) + CHECKPOINTS + "path: a.pt\n",
    "a path with NUL": spec('path: "a\\0b.pt"'),
    "a path of 100,000 letters": spec("path: " + "a" * 100_000),
    "the folder itself": spec("path: ."),
    "nothing as a path": spec('path: ""'),
    "a climbing path": spec("path: ../../etc/passwd"),
    "an absolute path": spec("path: /etc/passwd"),
    "a path of Windows": spec("path: 'C:\\Windows'"),
    "a Hub id outside ASCII": spec("repo: ünder/lärned\n    revision: main"),
    "a Hub id with two hyphens": spec("repo: a--b/c\n    revision: main"),
    "a Hub id that climbs": spec("repo: a/..\n    revision: main"),
    "a revision outside ASCII": spec("repo: a/b\n    revision: mäin"),
    "a dataset's file": spec(f"repo: a/b\n    revision: {'a' * 40}\n    file: a.py"),
}


def damaged(**changes: object) -> bytes:
    """A record with other values, whose digest does not matter any more."""
    return json.dumps(json.loads(record().model_dump_json()) | changes).encode()


def hole(path: Path) -> None:
    """A file of 256 GB that holds nothing."""
    path.touch()
    os.truncate(path, 2**38)


RECORDS: dict[str, bytes | Callable[[Path], object]] = {
    "nothing": b"",
    "a pipe": os.mkfifo,
    "a hole": hole,
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a link to itself": lambda path: path.symlink_to(path),
    "text": b"no record",
    "binary": bytes(range(256)),
    "nested lists": b"[" * 100_000,
    "nested lists that end": b"[" * 90_000 + b"]" * 90_000,
    "nested tables": b'{"a":' * 90_000,
    "two million values": b"[" + b"0," * 1_000_000 + b"0]",
    "sixteen megabytes": b'"' + b"x" * (16 * 2**20) + b'"',
    "many unknown fields": b"{" + b",".join(b'"k%d":1' % number for number in range(90_000)) + b"}",
    "many wrong scores": damaged(scores={f"s{number}": number for number in range(50_000)}),
    "a number of 30 digits": damaged(suite_version=10**29),
    "numbers of 400 digits": damaged(suite_version=10**400),
    "an infinite number": damaged(scores={"excess": {"value": float("inf"), "n": 1}}),
    "a cut record": damaged()[:-200],
    "a record of no schema": damaged(schema_version=99),
    "an older record": damaged(schema_version=1),
    "a list": b"[]",
    "null": b"null",
    "a surrogate": damaged(submission="\ud800"),
    "a climbing submission": damaged(submission="../../x"),
    "a climbing task": damaged(task="../../x"),
    "markup as protocol": damaged(protocol="<b>"),
    "negative counts": damaged(curves=[{"name": "a", "split": "forget", "psi": [], "k": [], "value": [], "low": [], "high": [], "n": -1}]),
    "another digest": damaged(digest="0" * 64),
    "UTF-16": damaged().decode().encode("utf-16"),
    "a folder": lambda path: path.mkdir(),
}


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What the verbs import is no cost of a file."""
    import unconceal.cli.export
    import unconceal.cli.results
    import unconceal.cli.submissions
    import unconceal.exports.csv_table
    import unconceal.results.check_results  # noqa: F401


def refused(arguments: list[str]) -> list[str]:
    """The codes of a command that has to refuse what it is given."""
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = CliRunner().invoke(main, arguments)
    assert time.process_time() - started < SECONDS, "it takes long"
    assert result.exit_code in (1, 2), result.output
    lines = [line for line in result.stderr.splitlines() if not line.startswith("checking")]
    assert 0 < len(lines) <= MAX_LINES + 1 and max(map(len, lines)) <= MAX_LINE
    assert not [sign for sign in result.output if not sign.isprintable() and sign != "\n"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEBIBYTES * 2**10
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    codes = printed_codes(result.stderr)
    assert codes and "environment.unexpected" not in codes, result.stderr
    return codes


def test_the_corpus_is_large() -> None:
    assert len(YAML) + len(RECORDS) >= 80


@pytest.mark.parametrize("kind", YAML)
def test_a_submission_is_refused(data_root: Path, kind: str) -> None:
    content = YAML[kind]
    path = data_root / "submissions/tiny/esd-x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    codes = refused(["submissions", "check", "--no-weights", "--root", str(data_root)])
    assert all(code.startswith(("spec.", "submission.", "path.")) for code in codes), codes


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder"])
def test_a_submission_that_is_no_file_is_refused(data_root: Path, kind: str) -> None:
    path = data_root / "submissions/tiny/esd-x.yaml"
    path.unlink()
    make: dict[str, Callable[[], object]] = {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "loop": lambda: path.symlink_to(path),
        "folder": path.mkdir,
    }
    make[kind]()
    assert set(refused(["submissions", "check", "--no-weights", "--root", str(data_root)])) <= {"spec.unreadable", "spec.link"}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_is_refused(tmp_path: Path, kind: str) -> None:
    root, content = record_root(tmp_path), RECORDS[kind]
    path = record().path(root.results)
    path.parent.mkdir(parents=True)
    content(path) if callable(content) else path.write_bytes(content)
    for verb in (["results", "check"], ["export", "--format", "csv"]):
        codes = refused([*verb, "--root", str(root.results.parent)])
        assert all(code.startswith(("record.", "table.")) for code in codes), codes


def test_names_that_are_no_text_are_told(data_root: Path) -> None:
    name = os.fsdecode(b"\xff\xfe\x1b[31m.yaml")
    (data_root / "submissions/tiny" / name).write_text("a: 1\n")
    refused(["submissions", "check", "--no-weights", "--root", str(data_root)])
