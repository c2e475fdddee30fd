from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unconceal.checkpoints import weights
from unconceal.errors import CheckFailed


class Payload:
    """What a hostile pickle could hold."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("ran"),))  # type: ignore[return-value]


@pytest.mark.parametrize("suffix", weights.SUFFIXES)
def test_every_suffix_reads_back(tmp_path: Path, suffix: str) -> None:
    path, state = tmp_path / f"x{suffix}", {"a": torch.arange(3).half()}
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    read = weights.read_file(path)
    assert read["a"].dtype == torch.float16 and torch.equal(read["a"], state["a"])


def test_a_pickle_with_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Payload()}, tmp_path / "x.pt")
    with pytest.raises(CheckFailed, match="pickle of more than tensors"):
        weights.read_file(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", weights.SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 half an archive"])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckFailed) as caught:
        weights.read_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [[torch.ones(1)], {"unet": {"conv_in.weight": torch.ones(1)}}, {"step": 3}])
def test_anything_but_a_table_of_tensors_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "x.pt")
    with pytest.raises(CheckFailed, match="flat table"):
        weights.read_file(tmp_path / "x.pt")


def test_a_huge_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "LARGEST", 10)
    save_file({"a": torch.ones(9)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckFailed, match="larger than"):
        weights.read_file(tmp_path / "x.safetensors")


def sharded(folder: Path, names: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def test_shards_are_joined(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "model-1.safetensors")
    save_file({"b": torch.zeros(1)}, tmp_path / "model-2.safetensors")
    sharded(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors"})
    assert weights.holds_weights(tmp_path) and set(weights.read_folder(tmp_path)) == {"a", "b"}


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "absent.safetensors", "model.py"])
def test_a_listing_cannot_leave_its_folder(tmp_path: Path, shard: str) -> None:
    folder = tmp_path / "unet"
    folder.mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "secret.safetensors")
    (folder / "model.py").touch()
    sharded(folder, {"a": shard})
    with pytest.raises(CheckFailed, match="no weights file of its folder"):
        weights.read_folder(folder)


def test_the_training_copy_is_not_mistaken_for_the_model(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "diffusion_pytorch_model.non_ema.safetensors")
    assert not weights.holds_weights(tmp_path)
    with pytest.raises(CheckFailed, match="holds no weights"):
        weights.read_folder(tmp_path)
