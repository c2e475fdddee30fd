from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from generate.small import LAYOUT, shard
from unconceal.cli.main import main
from unconceal.generate.identity import ProbeShard, Sampling
from unconceal.generate.store import Store
from unconceal.generate.store_entries import KnownModels, find_defect, is_temporary, list_entries, parse_shard
from unconceal.paths import DataRoot

ARRAYS = {"original": np.zeros((2, 4, 4, 3), np.uint8)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    created = Store(tmp_path / "store")
    for number in range(3):
        created.put(shard(number), ARRAYS)
    return created


def test_a_file_says_which_shard_it_holds(store: Store) -> None:
    result = list(list_entries(store.root))
    assert {held.shard for held in result} == {shard(number) for number in range(3)} and not any(map(find_defect, result))
    assert sum(held.size for held in result) == sum(path.stat().st_size for path in store.root.rglob("*.safetensors"))


def test_every_field_comes_back() -> None:
    value = replace(
        shard(), sampling=Sampling("flow-euler", 4, 3.5, shift=1.15, image_size=512), checkpoint="c" * 64, arms=("prompt", "empty")
    )
    assert parse_shard({"shard": value.identity()}) == value
    probe = ProbeShard("b" * 64, "c" * 64, "flux", value.sampling, "renoising", "d" * 64, "e" * 64, LAYOUT)
    assert parse_shard({"shard": probe.identity()}) == probe


def test_images_of_a_probe_are_stored_like_any_other(store: Store) -> None:
    probe = ProbeShard("b" * 64, "c" * 64, "stable-diffusion", shard().sampling, "renoising", "d" * 64, "e" * 64, LAYOUT)
    store.put(probe, ARRAYS)
    assert {entry.shard for entry in list_entries(store.root)} == {probe, *(shard(number) for number in range(3))}
    arrays = store.get(probe)
    assert arrays is not None and np.array_equal(arrays["original"], ARRAYS["original"])
    assert (store.registered_models() or frozenset()) >= {"c" * 64}


def test_what_is_wrong_with_a_file(store: Store) -> None:
    item, other, third = (store.path(shard(number)) for number in range(3))
    altered = bytearray(item.read_bytes())
    altered[-1] ^= 1
    item.write_bytes(altered)
    other.write_bytes(other.read_bytes()[:40])
    third.rename(third.with_stem("0" * 64))
    message = sorted(find_defect(held) for held in list_entries(store.root))
    assert (
        len(message) == 3
        and message[0].startswith("holds another shard")
        and message[1].startswith("is no shard")
        and message[2].startswith("was altered")
    )


def test_models_that_the_specs_name(data_root: Path) -> None:
    (data_root / "submissions").mkdir(exist_ok=True)
    names = KnownModels.from_specs(DataRoot.find(data_root))
    base = "0" * 64
    assert replace(shard(), base=base) in names and replace(shard(), base=base, checkpoint=base) in names
    assert shard() not in names and replace(shard(), base=base, checkpoint="c" * 64) not in names


def run(*arguments: str) -> tuple[int, str]:
    completed = CliRunner().invoke(main, ["store", *arguments])
    return completed.exit_code, completed.output


def test_the_verb_lists_verifies_and_clears(store: Store, data_root: Path) -> None:
    index, root = ["--store", str(store.root)], ["--root", str(data_root)]
    left = store.root / ".part-x"
    left.write_bytes(b"half")
    assert is_temporary(left)
    code, message = run("ls", *index, *root)
    assert code == 0 and "no submission's" in message and "no shard" in message
    code, message = run("verify", *index)
    assert code == 0 and message.endswith("3 files, none damaged\n")
    store.path(shard(1)).write_bytes(b"nonsense")
    code, message = run("verify", *index)
    assert code == 1 and str(store.path(shard(1))) in message and "1 of 3 files" in message
    assert run("verify", "--delete", *index)[0] == 0 and not store.path(shard(1)).exists()
    code, message = run("gc", *index, *root)
    assert code == 0 and message.startswith("3 files") and "--execute" in message and left.exists()
    assert run("gc", "--execute", *index, *root)[0] == 0 and not [path for path in store.root.rglob("*") if path.is_file()]


def test_no_store_is_said(tmp_path: Path) -> None:
    code, message = run("ls", "--store", str(tmp_path / "none"))
    assert code == 2 and "is not a folder" in message
