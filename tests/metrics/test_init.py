from __future__ import annotations

import subprocess
import sys

import pytest

from unconceal import metrics


def test_importing_metrics_loads_nothing_and_the_scores_load_no_torch() -> None:
    code = (
        "import sys; from unconceal import metrics; assert 'scipy' not in sys.modules;"
        "metrics.crs, metrics.ccs, metrics.presence, metrics.statistics, metrics.verdict; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_modules_are_found_and_others_are_not() -> None:
    assert metrics.crs.g(1.0) < metrics.crs.g(0.0)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = metrics.nonsense
