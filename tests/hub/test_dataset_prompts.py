"""Prompts by reference and pinned parts of a suite, fetched by the real client from a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codes import raises
from hub.server import Hub, serving
from unconceal.hub.dataset_prompts import load_reserve, table_rows, with_dataset_prompts
from unconceal.hub.pinned_models import fetch_pinned, pinned_digest
from unconceal.specs.spec import UNPINNED, Pinned
from unconceal.specs.task import Task

TABLE = b"prompt,kind\nfirst,a\nsecond,b\nthird,a\n"
MODEL = {
    "model_index.json": b"{}",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"weights",
    "run.py": b"print()",
    "tokenizer/vocab.json": b"{}",
    "tokenizer/merges.txt": b"a b",
    "tokenizer/tokenizer_config.json": b"{}",
    "README.md": b"words",
    "safety_checker/model.safetensors": b"filter",
    "scheduler/scheduler_config.json": b"{}",
    "tokenizer/extra.py": b"print()",
}


@pytest.fixture
def hub(empty_client: None) -> Iterator[Hub]:
    created = Hub()
    created.add("datasets/someone/prompts", {"table.csv": TABLE})
    created.add("someone/base", MODEL)
    with serving(created):
        yield created


def task(revision: str, **changes: Any) -> Task:
    expected = {"dataset": "someone/prompts", "revision": revision, "file": "table.csv", "n_prompts": 2, "license": "MIT"}
    return Task.model_validate(
        {
            "concept": "x",
            "category": "nsfw",
            "title": "X",
            "suite": "s",
            "license": "Apache-2.0",
            "judge": {"head": "subject", "label": "x"},
            "retain": [{"text": "a cat", "concept": "cat", "head": "subject"}],
            "forget_from": {**expected, "where": [{"column": "kind", "contains": "a"}], **changes},
        }
    )


def test_prompts_are_read_when_needed(hub: Hub) -> None:
    result = with_dataset_prompts(task(hub.branches["datasets/someone/prompts", "main"]), hub.address)
    assert [prompt.text for prompt in result.forget] == ["first", "third"] and result.forget_from is None
    assert with_dataset_prompts(result, hub.address) is result


def test_the_reserve_is_what_the_task_does_not_use(hub: Hub) -> None:
    one = task(hub.branches["datasets/someone/prompts", "main"], n_prompts=1)
    assert load_reserve(one, hub.address) == ["third"] and load_reserve(with_dataset_prompts(one, hub.address), hub.address) == []


def test_too_few_prompts_and_drafts_are_refused(hub: Hub) -> None:
    with raises("dataset.too-few-prompts"):
        with_dataset_prompts(task(hub.branches["datasets/someone/prompts", "main"], n_prompts=5), hub.address)
    with raises("hub.not-pinned"):
        with_dataset_prompts(task("main"), hub.address)


def test_a_gated_data_set(hub: Hub) -> None:
    hub.gated.add("datasets/someone/prompts")
    with raises("hub.gated"):
        with_dataset_prompts(task(hub.branches["datasets/someone/prompts", "main"]), hub.address)


def pinned(hub: Hub, **changes: Any) -> Pinned:
    fields = {"repo": "someone/base", "revision": hub.branches["someone/base", "main"], "path": ".", "digest": "a" * 64}
    return Pinned.model_validate({**fields, **changes})


def test_a_base_comes_with_its_tokenizer_and_without_its_filter(hub: Hub) -> None:
    folder = fetch_pinned(pinned(hub), hub.address)
    result = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert result == {name for name in MODEL if name.split("/")[-1].split(".")[-1] in ("json", "txt") or name.startswith("unet/")}
    before = len(hub.seen)
    assert fetch_pinned(pinned(hub, digest=pinned_digest(folder)), hub.address) == folder and len(hub.seen) == before


def test_one_file_of_a_judge(hub: Hub) -> None:
    path = fetch_pinned(pinned(hub, path="unet/config.json"), hub.address)
    assert path.read_bytes() == b"{}" and len(pinned_digest(path)) == 64


def test_a_draft_is_not_fetched(hub: Hub) -> None:
    draft = pinned(hub, revision="main")
    assert draft.is_draft and pinned(hub, digest=UNPINNED).is_draft and not pinned(hub).is_draft
    with raises("hub.not-pinned"):
        fetch_pinned(draft, hub.address)
    assert not hub.seen


@pytest.mark.parametrize(
    "table", [b"prompt,kind\nfirst\n", b"prompt,kind\nfirst,a,b\n", "prompt,kind\né,a\n".encode("latin-1"), b'a,b\n"x']
)
def test_tables_that_are_none_are_refused(tmp_path: Path, table: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(table)
    with raises("dataset.unreadable"):
        list(table_rows(path, "someone/prompts"))


def test_long_cells_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbfprompt,kind\n" + b"x" * 100_000 + b",a\n")
    assert [len(row["prompt"]) for row in table_rows(path, "someone/prompts")] == [100_000]
