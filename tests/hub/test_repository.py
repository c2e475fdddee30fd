"""Pinning and downloading with the real client, against a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from huggingface_hub import constants

from codes import raises
from hub.server import Hub, serving
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import checkpoint_digest, require_known, select_checkpoint_files, select_files
from unconceal.hub.repository import Repository, fetch, resolve
from unconceal.specs.submission import Checkpoint

BIG = bytes(range(256)) * 40
FILES = {
    "README.md": b"words",
    "model_index.json": b"{}",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": BIG,
    "unet/diffusion_pytorch_model.bin": b"older",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/run.py": b"print()",
    "safety_checker/model.safetensors": b"filter",
    "esd.pt": BIG[::-1],
    "text_encoder/model.safetensors": b"text",
}
READ = ["esd.pt", "model_index.json", "text_encoder/model.safetensors", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"]


@pytest.fixture
def hub(empty_client: None) -> Iterator[Hub]:
    """A hub with one repository."""
    created = Hub()
    created.add("someone/erased", FILES)
    with serving(created):
        yield created


def pinned(hub: Hub, **fields: str) -> Checkpoint:
    return Checkpoint(repo="someone/erased", revision=hub.branches["someone/erased", "main"], **fields)


def test_a_branch_is_what_it_means_today(hub: Hub) -> None:
    first = resolve("someone/erased", "main", hub.address)
    assert first.commit == hub.branches["someone/erased", "main"] and len(first.commit) == 40
    second = hub.add("someone/erased", FILES | {"new.pt": b"x"})
    assert resolve("someone/erased", "main", hub.address).commit == second != first.commit
    assert resolve("someone/erased", first.commit, hub.address).commit == first.commit


def test_a_draft_is_not_evaluated(hub: Hub) -> None:
    with raises("hub.not-pinned"):
        fetch(Checkpoint(repo="someone/erased", revision="main", file="esd.pt"), hub.address)


def test_one_file_is_downloaded_once(hub: Hub) -> None:
    path = fetch(pinned(hub, file="esd.pt"), hub.address)
    assert path.read_bytes() == FILES["esd.pt"]
    before = len(hub.seen)
    assert fetch(pinned(hub, file="esd.pt"), hub.address) == path and len(hub.seen) == before, "the cache is used"


def test_only_the_files_that_are_read_are_downloaded(hub: Hub) -> None:
    folder = fetch(pinned(hub), hub.address)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == READ
    (folder / "unet" / "stray.txt").write_text("another program's")
    digest = checkpoint_digest(folder)
    (folder / "unet" / "stray.txt").unlink()
    assert checkpoint_digest(folder) == digest, "what is not read does not count"


def test_a_subfolder_alone(hub: Hub) -> None:
    folder = fetch(pinned(hub, subfolder="unet"), hub.address)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "diffusion_pytorch_model.safetensors"]


def test_a_download_that_is_cut_goes_on_where_it_broke_off(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cuts = [3000]
    assert fetch(pinned(hub, file="esd.pt"), hub.address).read_bytes() == FILES["esd.pt"]
    assert any("bytes=3000-" in line for line in hub.seen), hub.seen


def test_offline_uses_cached_files_and_names_missing_ones(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch(pinned(hub), hub.address)
    digest = checkpoint_digest(folder)
    fetch(pinned(hub, file="esd.pt"), hub.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(hub.seen)
    assert fetch(pinned(hub, sha256=digest), hub.address) == folder
    assert fetch(pinned(hub, file="esd.pt"), hub.address).read_bytes() == FILES["esd.pt"]
    with raises("hub.offline"):
        fetch(pinned(hub, file="other.pt"), hub.address)
    assert len(hub.seen) == before


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"file": "absent.pt"}, CheckFailed, "hub.not-found"),
        ({"subfolder": "absent"}, CheckFailed, "hub.not-found"),
        ({"subfolder": "safety_checker"}, CheckFailed, "x"),
        ({"revision": "f" * 40, "file": "esd.pt"}, CheckFailed, "hub.unknown-revision"),
        ({"repo": "someone/absent", "file": "esd.pt"}, CheckFailed, "hub.not-found"),
    ],
)
def test_what_is_not_there(hub: Hub, fields: dict[str, str], error: type[Exception], code: str) -> None:
    if fields.get("subfolder") == "safety_checker":
        hub.add("someone/erased", {"notes/readme.txt": b"x"})
        fields, code = {"subfolder": "notes"}, "checkpoint.no-weights"
    with raises(code) as caught:
        fetch(pinned(hub).model_copy(update=fields), hub.address)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "hub.not-authorized"),
        (403, "hub.not-authorized"),
        (429, "hub.rate-limited"),
        (500, "hub.server-error"),
        (503, "hub.server-error"),
    ],
)
def test_a_hub_that_refuses(hub: Hub, status: int, code: str) -> None:
    hub.statuses = [status] * 40
    with raises(code) as caught:
        resolve("someone/erased", "main", hub.address)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_gated_and_private(hub: Hub) -> None:
    hub.gated.add("someone/erased")
    with raises("hub.gated"):
        resolve("someone/erased", "main", hub.address)
    hub.gated.clear()
    hub.private.add("someone/erased")
    with raises("hub.not-found"):
        resolve("someone/erased", "main", hub.address)


def test_an_unreachable_hub_is_reported() -> None:
    with raises("hub.not-reached"):
        resolve("someone/erased", "main", "http://127.0.0.1:9")


def test_names_that_no_hub_has(hub: Hub) -> None:
    with raises("hub.bad-name"):
        Repository("../..", "main", hub.address).files()


def test_which_files_are_needed() -> None:
    assert select_checkpoint_files(FILES) == READ
    shards = ["unet/diffusion_pytorch_model.safetensors.index.json", "unet/diffusion_pytorch_model-00001-of-00002.safetensors"]
    others = ["unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.safetensors", "model.onnx", "optimizer.bin"]
    selection = select_files([*shards, *others, "a/b/model.safetensors", "README.md"])
    assert (
        selection.read == tuple(sorted(shards)) and set(selection.unused) == set(others) and selection.unknown == ("a/b/model.safetensors",)
    )
    with raises("checkpoint.unread-file"):
        require_known(selection, "x")


def test_a_file_that_is_not_read_is_refused_before_anything_is_downloaded(hub: Hub) -> None:
    hub.add("someone/erased", FILES | {"text_encoder/masks.npz": b"x"})
    with raises("checkpoint.unread-file"):
        fetch(pinned(hub), hub.address)
    assert not [request for request in hub.seen if request.startswith("GET") and "resolve" in request]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_hub_that_refuses_once_is_asked_again(hub: Hub, status: int) -> None:
    commit = hub.branches["someone/erased", "main"]
    hub.statuses = [status]
    assert resolve("someone/erased", "main", hub.address).commit == commit
    hub.statuses = [status]
    assert fetch(pinned(hub, file="esd.pt"), hub.address).read_bytes() == FILES["esd.pt"]


def test_a_file_is_looked_at_before_it_is_downloaded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unconceal.hub.repository.MAX_BYTES", len(BIG) - 1)
    with raises("checkpoint.too-large"):
        fetch(pinned(hub, file="esd.pt"), hub.address)
    assert not [request for request in hub.seen if request.startswith("GET")]


def test_a_cached_folder_without_digest_is_found_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch(pinned(hub), hub.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(pinned(hub), hub.address) == folder
    with raises("hub.offline"):
        fetch(pinned(hub, subfolder="safety_checker"), hub.address)
