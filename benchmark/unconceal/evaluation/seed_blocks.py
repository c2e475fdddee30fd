"""The seeds of every block of images, as a suite plans them and a record states them."""

from __future__ import annotations

from unconceal.specs.record import SeedBlock
from unconceal.specs.suite import Suite


def seed_blocks(suite: Suite, tier: str, protocol: str) -> dict[str, SeedBlock]:
    """First seed and number of seeds per prompt, by block; the paper's protocol has no tiers."""
    if protocol == "paper":
        paper = suite.paper_protocol
        return {"images": SeedBlock(start=0, count=paper.n_images), "handover": SeedBlock(start=paper.seed, count=1)}
    starts, counts = suite.seed_starts, suite.tier(tier).seeds
    blocks = {
        "train": (starts.train, counts.train),
        "reference": (starts.reference, counts.reference),
        "evaluation": (starts.evaluation, counts.evaluation),
        "retain": (starts.evaluation, counts.retain),
        "retain reference": (starts.reference, counts.reference),
    }
    return {name: SeedBlock(start=start, count=count) for name, (start, count) in blocks.items()}
