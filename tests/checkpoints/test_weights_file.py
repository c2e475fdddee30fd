from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from codes import raises
from unconceal.checkpoints import folders, weights_file
from unconceal.specs.submission import WEIGHTS_SUFFIXES


class Payload:
    """What a hostile pickle could hold."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("ran"),))  # type: ignore[return-value]


@pytest.mark.parametrize("suffix", WEIGHTS_SUFFIXES)
def test_every_suffix_reads_back(tmp_path: Path, suffix: str) -> None:
    path, state = tmp_path / f"x{suffix}", {"a": torch.arange(3).half()}
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    read = weights_file.read_file(path)
    assert read.flat["a"].dtype == torch.float16 and torch.equal(read.flat["a"], state["a"])


def test_a_pickle_with_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Payload()}, tmp_path / "x.pt")
    with raises("checkpoint.unsafe"):
        weights_file.read_file(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", WEIGHTS_SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 half an archive"])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with raises("checkpoint.damaged") as caught:
        weights_file.read_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([torch.ones(1)], "checkpoint.wrong-layout"),
        (torch.ones(2), "checkpoint.wrong-layout"),
        ({"step": 3}, "checkpoint.no-weights"),
        ({"deep": {"deeper": {"a": torch.ones(1)}}}, "checkpoint.no-weights"),
    ],
)
def test_anything_but_tables_of_tensors_is_refused(tmp_path: Path, value: object, code: str) -> None:
    torch.save(value, tmp_path / "x.pt")
    with raises(code):
        weights_file.read_file(tmp_path / "x.pt")


@pytest.mark.parametrize("archive", [True, False])
def test_what_a_trainer_wraps_is_unwrapped_and_the_rest_is_named(tmp_path: Path, archive: bool) -> None:
    saved = {"state_dict": {"a": torch.ones(2)}, "epoch": 3, "optimizer_states": [{"lr": 0.1}]}
    torch.save(saved, tmp_path / "x.ckpt", _use_new_zipfile_serialization=archive)
    result = weights_file.read_file(tmp_path / "x.ckpt")
    assert set(result.tables) == {""} and torch.equal(result.flat["a"], torch.ones(2)) and result.ignored == ("epoch", "optimizer_states")


def test_tables_keep_their_names(tmp_path: Path) -> None:
    torch.save({"unet": {"a": torch.ones(1)}, "text_encoder": {"b": torch.ones(1)}}, tmp_path / "delta.bin")
    assert set(weights_file.read_file(tmp_path / "delta.bin").tables) == {"unet", "text_encoder"}


def test_a_huge_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_file, "MAX_FILE_BYTES", 10)
    save_file({"a": torch.ones(9)}, tmp_path / "x.safetensors")
    with raises("checkpoint.too-large"):
        weights_file.read_file(tmp_path / "x.safetensors")


def sharded(folder: Path, names: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def test_shards_are_joined(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": torch.zeros(1)}, tmp_path / "model-00002-of-00002.safetensors")
    sharded(tmp_path, {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"})
    assert folders.holds_weights(tmp_path) and set(folders.read_folder(tmp_path, tmp_path)) == {"a", "b"}


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "absent.safetensors", "model.py"])
def test_a_listing_cannot_leave_its_folder(tmp_path: Path, shard: str) -> None:
    folder = tmp_path / "unet"
    folder.mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "secret.safetensors")
    (folder / "model.py").touch()
    sharded(folder, {"a": shard})
    with raises("checkpoint.bad-index"):
        folders.read_folder(folder, folder)


def test_the_training_copy_is_not_mistaken_for_the_model(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "diffusion_pytorch_model.non_ema.safetensors")
    assert not folders.holds_weights(tmp_path)
    with raises("checkpoint.no-weights"):
        folders.read_folder(tmp_path, tmp_path)
