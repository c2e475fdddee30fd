"""What a store holds, whether it is sound, and what of it belongs to no model that is evaluated today (no torch)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from unconceal.files import TEMPORARY
from unconceal.generate.identity import ComputeConfig, ImageKey, Sampling, Shard
from unconceal.generate.store import CLAIMS, MODELS, SAYS, THROUGHPUT, content_digest
from unconceal.hub.local_weights import weights_digest
from unconceal.paths import DataRoot
from unconceal.specs.loader import all_submissions, load_suite, suites


@dataclass(frozen=True)
class StoreEntry:
    """One file. ``shard``: what it says it holds; None: it is no shard, and ``wrong`` says why."""

    path: Path
    size: int
    shard: Shard | None
    wrong: str = ""


def holdings(root: Path) -> Iterator[StoreEntry]:
    """Every file of a store by its name but what lies beside the shards; only headers are read."""
    beside = {MODELS, THROUGHPUT, CLAIMS}
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in beside):
        try:
            yield StoreEntry(path, path.stat().st_size, shard_of(said_by(path)))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            yield StoreEntry(path, path.stat().st_size, None, f"is no shard ({' '.join(str(error).split()) or type(error).__name__})")


def said_by(path: Path) -> dict[str, Any]:
    """What a file says of itself."""
    with safe_open(path, framework="np") as file:
        said: dict[str, Any] = json.loads((file.metadata() or {})[SAYS])
    return said


def shard_of(said: dict[str, Any]) -> Shard:
    """The shard that a file says it holds, whatever version of the generator made it."""
    fields = {name: value for name, value in said["shard"].items() if name != "generator"}
    pictures = tuple(ImageKey(**picture) for picture in fields.pop("pictures"))
    cut = fields.pop("layout")
    sampling, layout = Sampling(**fields.pop("sampling")), ComputeConfig(**cut | {"options": tuple(cut.get("options", ()))})
    handovers, arms = (tuple(fields.pop(name)) for name in ("handovers", "arms"))
    return Shard(**fields, handovers=handovers, arms=arms, pictures=pictures, sampling=sampling, layout=layout)


def fault(holding: StoreEntry) -> str:
    """What is wrong with a file, read whole; empty: nothing."""
    if holding.shard is None:
        return holding.wrong
    if holding.path.stem != holding.shard.digest:
        return "holds another shard than its name says, or one of an older generator"
    try:
        with safe_open(holding.path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        return f"cannot be read ({error})"
    return "" if content_digest(arrays) == said_by(holding.path)["content"] else "was altered: its content is not what its digest says"


@dataclass(frozen=True)
class Models:
    """The models that today's specs name, by digest: bases, and everything that is evaluated against them."""

    bases: frozenset[str]
    evaluated: frozenset[str]

    @classmethod
    def of(cls, root: DataRoot) -> Models:
        """Of every suite and submission of a data root."""
        bases = {load_suite(root, name).base.digest for name in suites(root)}
        checkpoints = [checkpoint for submission in all_submissions(root) for checkpoint in submission.checkpoints.values()]
        digests = {digest for checkpoint in checkpoints if (digest := weights_digest(checkpoint, root))}
        return cls(frozenset(bases), frozenset(bases | digests))

    def __contains__(self, shard: Shard) -> bool:
        return shard.base in self.bases and (shard.checkpoint is None or shard.checkpoint in self.evaluated)


def forget(root: Path, named: Models) -> None:
    """Take models that nothing names off the store's list."""
    for path in (root / MODELS).glob("*"):
        if path.name not in named.evaluated:
            path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a file is what a killed run left of a write: it was never in the store."""
    return path.name.startswith(TEMPORARY)
