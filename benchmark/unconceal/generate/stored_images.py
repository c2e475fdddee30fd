"""Pictures from the store and from nowhere else: what is missing is said, never made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from unconceal.errors import CheckFailed
from unconceal.generate.identity import Shard
from unconceal.generate.image_cache import ImageCache
from unconceal.generate.plan import Pair
from unconceal.generate.store import Arrays, Store


@dataclass
class StoredImages:
    """Stands where a :class:`unconceal.generate.generator.Worker` would, and calls no denoiser."""

    store: Store
    shelf: ImageCache = field(init=False)
    evaluations: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.shelf = ImageCache(self.store)

    def trajectory(self, shard: Shard) -> Arrays:
        return self._stored(shard)

    def handover(self, shard: Shard, trajectory: Shard) -> Arrays:
        return self._stored(shard)

    def fill(self, pairs: Iterable[Pair]) -> None:
        """Refuse unless everything is there.

        Raises:
            CheckFailed: some of it is not, or is damaged.
        """
        wanted = [shard for pair in pairs for shard in pair if shard is not None]
        missing = [shard for shard in wanted if shard not in self.store]
        if missing:
            theirs = sum(shard.checkpoint is not None for shard in missing)
            value = f"{len(missing)} of {len(wanted)} shards are not in {self.store.root}"
            consequence = f"({len(missing) - theirs} of the original model, {theirs} of the submission), so its scores cannot be computed"
            raise CheckFailed(value, consequence, REMEDY)

    def _stored(self, shard: Shard) -> Arrays:
        found = self.store.get(shard)
        if found is None:
            raise CheckFailed(str(self.store.path(shard)), "is not there or is damaged, so its scores cannot be computed", REMEDY)
        return found


REMEDY = "make them with `unconceal run` in the same layout (--batch, --threads, --dtype, --device), or name another --store"
