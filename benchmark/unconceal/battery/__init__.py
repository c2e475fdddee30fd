"""The battery: probes of what a model still knows, one file each, in one table.

To add one: its settings in :mod:`unconceal.specs.battery`, its file with ``plan`` and ``generate``, its row here, and its test.
"""

from __future__ import annotations

from collections.abc import Mapping

from unconceal.battery.benign_fine_tuning import BENIGN_FINE_TUNING
from unconceal.battery.probe import Probe
from unconceal.battery.relearning import RELEARNING, TEXTUAL_INVERSION
from unconceal.battery.renoising import RENOISING
from unconceal.specs.battery import ProbeName

PROBES: Mapping[ProbeName, Probe] = {
    "relearning": RELEARNING,
    "renoising": RENOISING,
    "benign-fine-tuning": BENIGN_FINE_TUNING,
    "textual-inversion": TEXTUAL_INVERSION,
}
