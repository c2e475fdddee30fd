from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from codes import raises
from unconceal import errors
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
    tensors = weights_file.read_file(path).tensors
    assert tensors["a"].dtype == torch.float16 and torch.equal(tensors["a"], state["a"])


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
        ({"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1)}, "checkpoint.damaged"),
    ],
)
def test_anything_but_tables_of_tensors_is_refused(tmp_path: Path, value: object, code: str) -> None:
    torch.save(value, tmp_path / "x.pt")
    with raises(code):
        weights_file.read_file(tmp_path / "x.pt")


@pytest.mark.parametrize("archive", [True, False])
def test_names_of_nested_tables_are_joined_and_the_rest_is_named(tmp_path: Path, archive: bool) -> None:
    saved = {"state_dict": {"a": torch.ones(2), "b": {"c": torch.zeros(1)}}, "epoch": 3, "optimizer_states": [{"lr": 0.1}]}
    torch.save(saved, tmp_path / "x.ckpt", _use_new_zipfile_serialization=archive)
    result = weights_file.read_file(tmp_path / "x.ckpt")
    assert set(result.tensors) == {"state_dict.a", "state_dict.b.c"} and torch.equal(result.tensors["state_dict.a"], torch.ones(2))
    assert result.others == ("epoch", "optimizer_states")


def test_tables_that_hold_each_other_are_refused(tmp_path: Path) -> None:
    """Ten levels of ten names for the same table: 10^10 names in a file of a few kilobytes."""
    table: dict[str, object] = {"a": torch.ones(1)}
    for _ in range(10):
        table = {str(number): table for number in range(10)}
    torch.save(table, tmp_path / "x.pt")
    with raises("checkpoint.damaged"):
        weights_file.read_file(tmp_path / "x.pt")


@pytest.mark.parametrize("length", [60, 80, 200])
def test_the_end_of_a_long_key_stays(length: int) -> None:
    key = "x" * length + ".lora_magnitude_vector.weight"
    shown = weights_file.shortened(key)
    assert shown.endswith(".lora_magnitude_vector.weight") and len(shown) <= 80 and key.startswith(shown.partition("…")[0])


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
    assert [set(file.weights.tensors) for file in folders.open_release(tmp_path).files] == [{"a"}, {"b"}]


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "absent.safetensors", "model.py"])
def test_a_listing_cannot_leave_its_folder(tmp_path: Path, shard: str) -> None:
    folder = tmp_path / "unet"
    folder.mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "secret.safetensors")
    (folder / "model.py").touch()
    sharded(folder, {"a": shard})
    with raises("checkpoint.bad-index"):
        folders.open_release(folder)


def test_the_trained_copy_is_told_from_its_average(tmp_path: Path) -> None:
    for name in ("diffusion_pytorch_model.non_ema.safetensors", "diffusion_pytorch_model.safetensors"):
        save_file({"a": torch.ones(1)}, tmp_path / name)
    assert [file.copy for file in folders.open_release(tmp_path).files] == ["model", "ema"]


@pytest.mark.parametrize("name", ["diffusion_pytorch_model-00001-of-00002.safetensors", "unet-esd-00002-of-00003.safetensors"])
def test_a_lone_shard_is_refused(tmp_path: Path, name: str) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / name)
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(errors.CheckFailed) as raised:
            folders.open_release(path)
        assert raised.value.code in ("checkpoint.missing-shard", "checkpoint.unknown-weights")
