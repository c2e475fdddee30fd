"""Images from the store alone: missing ones are an error, never generated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from unconceal.errors import CheckFailed
from unconceal.generate.identity import Shard
from unconceal.generate.image_cache import ImageCache
from unconceal.generate.plan import ShardPair
from unconceal.generate.store import Arrays, Store

REMEDY = "generate them with `unconceal run` and the same --batch-size, --threads, --dtype and --device, or name another --store"


@dataclass
class StoredImages:
    """Replaces a :class:`unconceal.generate.generator.Generator` where no model may be called."""

    store: Store
    image_cache: ImageCache = field(init=False)
    forward_passes: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.image_cache = ImageCache(self.store)

    def trajectory(self, shard: Shard) -> Arrays:
        return self._read(shard)

    def handover(self, shard: Shard, trajectory: Shard) -> Arrays:
        return self._read(shard)

    def generate_missing(self, pairs: Iterable[ShardPair]) -> None:
        """Check that every shard is stored.

        Raises:
            CheckFailed: a shard is missing or damaged.
        """
        shards = [shard for pair in pairs for shard in pair if shard is not None]
        missing = [shard for shard in shards if shard not in self.store]
        if missing:
            handovers = sum(shard.checkpoint is not None for shard in missing)
            value = f"{len(missing)} of {len(shards)} shards are not in {self.store.root}"
            counts = f"({len(missing) - handovers} of the original model, {handovers} of the submission)"
            raise CheckFailed("store.missing-shards", value, f"{counts}, so its scores cannot be computed", REMEDY)

    def _read(self, shard: Shard) -> Arrays:
        arrays = self.store.get(shard)
        if arrays is None:
            raise CheckFailed(
                "store.missing-shards", str(self.store.path(shard)), "is missing or damaged, so its scores cannot be computed", REMEDY
            )
        return arrays
