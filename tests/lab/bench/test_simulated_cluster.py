"""The simulated cluster: every planned shard is stored once, and the scheduler's cost is seen."""

from __future__ import annotations

import pytest

from unconceal.paths import DataRoot
from unconceal_lab.bench.bench_results import BenchResults
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.performance_page import cluster_table
from unconceal_lab.bench.simulated_cluster import SHARDS_PER_WORKER, ClusterRow, measure_cluster


def test_the_scheduler_serves_sleeping_workers() -> None:
    sample = BenchSample(DataRoot.find(), "miniature", "object/star", ("esd-x", "uce"), "quick")
    cluster = measure_cluster(sample, workers=(1, 4), shard_seconds=(0.01,), side=16)
    one, four = cluster.rows
    assert (one.workers, four.workers) == (1, 4)
    assert one.shards >= SHARDS_PER_WORKER and four.shards >= 4 * SHARDS_PER_WORKER
    assert all(0 < row.efficiency <= 1 and 0 < row.scheduling <= row.seconds and row.storing > 0 for row in cluster.rows)
    assert cluster.shard_megabytes == pytest.approx(16 * 16 * 16 * 3 / 1e6)
    text = cluster_table(BenchResults(cluster=cluster, machines={"cluster": "this machine"}))
    assert text.count("\n|") == 3 and "this machine" in text


def test_efficiency_by_hand() -> None:
    """640 shards of .5 s on 64 workers take 5 s at best."""
    row = ClusterRow(workers=64, shard_seconds=0.5, shards=640, seconds=8, scheduling=1, storing=0.01)
    assert row.efficiency == 0.625
