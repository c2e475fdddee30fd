"""Publishing with the real clients against a server on loopback: huggingface_hub commits and tags, datasets loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from codes import raises
from hub.server import serving
from hub.writing import WritingHandler, WritingHub
from results.measured import World, world
from unconceal.publish.arrow_schemas import TABLES
from unconceal.publish.dataset_rows import record_from_rows
from unconceal.publish.publication import Publication, build_publication
from unconceal.publish.push import push, remote_state

REPO = "someone/results"
LOAD = """
import json, sys
from datasets import load_dataset
out = {}
for config in sys.argv[2:]:
    # A table without rows can only be streamed: `datasets` refuses to load what "corresponds to no data".
    table = load_dataset(sys.argv[1], config, split="test", revision="v1", streaming=config == "attacks")
    out[config] = list(table)
    assert "submission" in table.features, config
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def measured_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("world"), ("object/star", "art-style/dots"))


@pytest.fixture(scope="module")
def publication(measured_world: World) -> Publication:
    return build_publication(measured_world.root, "v1", REPO)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritingHub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    result = WritingHub()
    with serving(result, WritingHandler):
        yield result


def head(hub: WritingHub, name: str = "main") -> dict[str, bytes]:
    return hub.commits[f"datasets/{REPO}"][hub.branches[f"datasets/{REPO}", name]]


def test_one_commit_and_one_tag_hold_every_file(hub: WritingHub, publication: Publication) -> None:
    commit = push(publication, REPO, hub.address)
    assert hub.branches[f"datasets/{REPO}", "v1"] == commit == hub.branches[f"datasets/{REPO}", "main"]
    assert {name: content for name, content in head(hub).items() if name != ".gitattributes"} == publication.files
    assert sum("/commit/" in line for line in hub.seen) == 1 and len(hub.commits[f"datasets/{REPO}"]) == 2
    assert hub.uploads, "large files went the way of LFS"


def test_looking_writes_nothing(hub: WritingHub, publication: Publication) -> None:
    assert remote_state(publication, REPO, hub.address).head is None
    assert not any(line.startswith("POST") for line in hub.seen)


def test_the_same_again_is_done_already(hub: WritingHub, publication: Publication) -> None:
    first = push(publication, REPO, hub.address)
    assert remote_state(publication, REPO, hub.address).tagged and push(publication, REPO, hub.address) == first
    assert len(hub.commits[f"datasets/{REPO}"]) == 2


def test_a_version_with_other_content_is_refused(hub: WritingHub, publication: Publication) -> None:
    push(publication, REPO, hub.address)
    other = Publication("v1", publication.files | {"manifest.json": b"{}"})
    with raises("publish.version-exists"):
        push(other, REPO, hub.address)
    with raises("publish.version-exists"):
        remote_state(other, REPO, hub.address)


def test_the_next_version_leaves_the_tag_where_it_is_and_no_stale_table(hub: WritingHub, publication: Publication) -> None:
    old = Publication("v0", {**publication.files, "manifest.json": b"{}", "data/gone/test-00000-of-00001.parquet": b"x" * 3000})
    push(old, REPO, hub.address)
    push(publication, REPO, hub.address)
    assert "data/gone/test-00000-of-00001.parquet" in head(hub, "v0") and "data/gone/test-00000-of-00001.parquet" not in head(hub, "v1")


def test_a_concurrent_commit_stops_the_push(hub: WritingHub, publication: Publication) -> None:
    push(Publication("v0", {"manifest.json": b"{}"}), REPO, hub.address)
    hub.intruders.append(f"datasets/{REPO}")
    with raises("hub.conflict"):
        push(publication, REPO, hub.address)
    assert "data/results/test-00000-of-00001.parquet" not in head(hub) and "intruder.txt" in head(hub)
    push(publication, REPO, hub.address)
    assert "data/results/test-00000-of-00001.parquet" in head(hub, "v1")


def test_a_push_that_broke_off_before_the_tag_is_finished(hub: WritingHub, publication: Publication) -> None:
    push(Publication("v0", {"manifest.json": b"{}"}), REPO, hub.address)
    hub.broken.append("/tag/")
    with raises("hub.server-error"):
        push(publication, REPO, hub.address)
    commits = len(hub.commits[f"datasets/{REPO}"])
    assert remote_state(publication, REPO, hub.address).committed
    push(publication, REPO, hub.address)
    assert len(hub.commits[f"datasets/{REPO}"]) == commits and head(hub, "v1") == head(hub)


def test_no_permission_is_one_line(hub: WritingHub, publication: Publication) -> None:
    hub.statuses = [403]
    with raises("hub.not-authorized"):
        push(publication, REPO, hub.address)


def test_load_dataset_returns_every_number(hub: WritingHub, publication: Publication, measured_world: World, tmp_path: Path) -> None:
    """Every record is put together again from the loaded tables, and its digest holds."""
    push(publication, REPO, hub.address)
    push(Publication("v2", {**publication.files, "manifest.json": b"{}", "README.md": b"# later"}), REPO, hub.address)
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.address,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, REPO, *TABLES], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = json.loads(done.stdout)
    assert loaded["attacks"] == [] and len(loaded["submissions"]) == 7
    for record in measured_world.records:

        def is_row_of_record(row: dict[str, object], task: str = record.task, submission: str = record.submission) -> bool:
            return (row["task"], row["submission"]) == (task, submission)

        (result,) = filter(is_row_of_record, loaded["results"])
        rows = {name: list(filter(is_row_of_record, loaded[name])) for name in ("curves", "damage", "battery")}
        again = record_from_rows(result, **rows)
        assert again == record and again.computed_digest() == record.digest
