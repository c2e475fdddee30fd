"""The entries of a store: which shards it holds, whether they are sound, and which belong to no current model (no torch)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unconceal.files import TEMPORARY
from unconceal.generate.identity import ProbeShard, Shard, StoreKey
from unconceal.generate.shard_file import read_shard_file
from unconceal.generate.store import LOCKS, METADATA_KEY, MODELS, THROUGHPUT, content_digest
from unconceal.hub.local_weights import weights_digest
from unconceal.paths import DataRoot
from unconceal.specs.loader import all_submissions, load_suite, suite_names


@dataclass(frozen=True)
class StoreEntry:
    """One file. ``shard``: what its header states; None if it is no shard, with the reason in ``defect``."""

    path: Path
    size: int
    shard: StoreKey | None
    defect: str = ""


def list_entries(root: Path) -> Iterator[StoreEntry]:
    """Every file of a store, sorted by name, except those that are not shards by design; only headers are read."""
    others = {MODELS, THROUGHPUT, LOCKS}
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in others):
        try:
            yield StoreEntry(path, path.stat().st_size, parse_shard(read_metadata(path)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield StoreEntry(path, path.stat().st_size, None, f"is no shard ({' '.join(str(error).split()) or type(error).__name__})")


def read_metadata(path: Path) -> dict[str, Any]:
    """The identity and the content digest that a file's header states."""
    metadata: dict[str, Any] = json.loads(read_shard_file(path, ()).metadata[METADATA_KEY])
    return metadata


def parse_shard(metadata: dict[str, Any]) -> StoreKey:
    """The shard that a file's header describes, whichever version of the generator wrote it."""
    kind = ProbeShard if "probe" in metadata["shard"] else Shard
    return kind.from_identity(metadata["shard"])


def find_defect(entry: StoreEntry) -> str:
    """Why a file is unsound, after reading all of it; empty if it is sound."""
    if entry.shard is None:
        return entry.defect
    if entry.path.stem != entry.shard.digest:
        return "holds another shard than its name states, or one of an older generator"
    try:
        file = read_shard_file(entry.path)
    except (OSError, ValueError) as error:
        return f"cannot be read ({error})"
    stated = json.loads(file.metadata[METADATA_KEY])["content"]
    return "" if content_digest(file.arrays) == stated else "was altered: its content differs from its digest"


@dataclass(frozen=True)
class KnownModels:
    """Digests of the models that the specs name: base models, and everything that is evaluated against them."""

    bases: frozenset[str]
    evaluated: frozenset[str]

    @classmethod
    def from_specs(cls, root: DataRoot) -> KnownModels:
        """Those of every suite and submission of a data root."""
        bases = {load_suite(root, name).base.digest for name in suite_names(root)}
        checkpoints = [checkpoint for submission in all_submissions(root) for checkpoint in submission.checkpoints.values()]
        digests = {digest for checkpoint in checkpoints if (digest := weights_digest(checkpoint, root))}
        return cls(frozenset(bases), frozenset(bases | digests))

    def __contains__(self, shard: StoreKey) -> bool:
        return shard.base in self.bases and (shard.checkpoint is None or shard.checkpoint in self.evaluated)


def unregister_models(root: Path, known: KnownModels) -> None:
    """Remove models that no spec names from the store's list."""
    for path in (root / MODELS).glob("*"):
        if path.name not in known.evaluated:
            path.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a file is an unfinished write of a run that was killed."""
    return path.name.startswith(TEMPORARY)
