from __future__ import annotations

import hashlib
import json
import random
from dataclasses import fields, replace
from typing import Any

import pytest

from generate.small import LAYOUT, shard
from unconceal.generate import identity
from unconceal.generate.identity import ComputeConfig, ImageKey, ProbeShard, Sampling, Shard, image_seed
from unconceal.specs.digests import canonical_digest

CHANGES: dict[str, Any] = {
    "base": "d" * 64,
    "checkpoint": "c" * 64,
    "family": "flux",
    "sampling": Sampling("ddim", 5, 5.0),
    "handovers": (0, 3),
    "arms": ("prompt",),
    "images": (ImageKey("a star", 0),),
    "compute": replace(LAYOUT, batch_size=32),
}
LAYOUTS: dict[str, Any] = {
    "device": "cuda",
    "dtype": "bfloat16",
    "threads": 2,
    "batch_size": 32,
    "shard_size": 8,
    "optimizations": ("compile",),
}
SAMPLINGS: dict[str, Any] = {"scheduler": "euler", "num_inference_steps": 50, "guidance_scale": 7.5, "shift": 3.0, "image_size": 512}


def test_every_field_is_tried() -> None:
    assert set(CHANGES) == {field.name for field in fields(Shard)}
    assert set(LAYOUTS) == {field.name for field in fields(ComputeConfig)} and set(SAMPLINGS) == {field.name for field in fields(Sampling)}


def test_equal_shards_have_one_digest() -> None:
    assert shard().digest == shard().digest and len(shard().digest) == 64


def test_every_field_changes_the_digest() -> None:
    item = shard()
    others = [replace(item, **{name: value}) for name, value in CHANGES.items()]
    others += [replace(item, compute=replace(LAYOUT, **{name: value})) for name, value in LAYOUTS.items()]
    others += [replace(item, sampling=replace(item.sampling, **{name: value})) for name, value in SAMPLINGS.items()]
    others += [replace(item, images=tuple(replace(p, **change) for p in item.images)) for change in ({"prompt": "a"}, {"seed": 9})]
    others.append(replace(item, images=item.images[::-1]))
    digests = {item.digest, *(other.digest for other in others)}
    assert len(digests) == 1 + len(others) - 1  # batch 32 stands in two of the tables


PROBE = ProbeShard("b" * 64, "c" * 64, "stable-diffusion", Sampling("ddim", 4, 5.0), "relearning", "e" * 64, "f" * 64, LAYOUT)
PROBE_CHANGES: dict[str, Any] = {
    **{name: CHANGES[name] for name in ("base", "family", "sampling", "compute")},
    **{"checkpoint": "a" * 64, "probe": "renoising", "settings": "0" * 64, "inputs": "0" * 64},
}


def test_every_field_of_a_probes_shard_changes_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(PROBE_CHANGES) == {field.name for field in fields(ProbeShard)}
    others = [replace(PROBE, **{name: value}) for name, value in PROBE_CHANGES.items()]
    assert len({PROBE.digest, *(other.digest for other in others)}) == 1 + len(others)
    assert all(ProbeShard.from_identity(json.loads(json.dumps(item.identity()))) == item for item in (PROBE, *others))
    monkeypatch.setattr(identity, "GENERATOR_VERSION", identity.GENERATOR_VERSION + 1)
    assert replace(PROBE).digest != PROBE.digest


def test_what_the_original_generates_is_known_by_its_model() -> None:
    base = shard().base
    assert shard().is_originals and replace(shard(), checkpoint=base).is_originals
    assert not replace(shard(), checkpoint="c" * 64).is_originals


def test_the_generators_version_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = shard().digest
    monkeypatch.setattr(identity, "GENERATOR_VERSION", identity.GENERATOR_VERSION + 1)
    assert shard().digest != before


def test_the_digest_is_of_canonical_json() -> None:
    """Keys sorted, no spaces, whole floats written as integers: by hand from :mod:`json`."""
    message = json.loads(json.dumps(shard().identity()))
    assert set(message["sampling"]) == {"scheduler", "steps", "guidance"}  # what a suite leaves to its model is no part of it
    message["sampling"]["guidance"] = 5
    text = json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert shard().digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_of_keys_does_not_count() -> None:
    message = list(shard().identity().items())
    random.Random(0).shuffle(message)
    assert canonical_digest(dict(message)) == shard().digest


def test_seeds_of_blocks_are_disjoint() -> None:
    prompts = [f"a star number {i}" for i in range(40)]
    blocks = [{image_seed(start, prompt, n) for prompt in prompts for n in range(200)} for start in (0, 1000, 2000, 9800)]
    assert all(len(block) == 40 * 200 for block in blocks) and len(set().union(*blocks)) == 4 * 40 * 200
    assert all(0 <= seed < 2**40 for block in blocks for seed in block)


def test_a_seed_depends_on_prompt_and_number_alone() -> None:
    """The value is part of the suite: any change makes other pictures."""
    first = int.from_bytes(hashlib.sha256(b"a star").digest()[:3])
    assert [image_seed(3000, "a star", n) for n in (0, 1)] == [first * 10_000 + 3000, first * 10_000 + 3001]
