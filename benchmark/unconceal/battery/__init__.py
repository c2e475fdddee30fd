"""The battery: probes of what a model still knows, one file each, in one table.

To add one: its settings in :mod:`unconceal.specs.battery`, its file with ``plan`` and ``generate``, its row here, and its test.
"""

from __future__ import annotations

from collections.abc import Mapping

from unconceal.battery.benign_fine_tuning import BENIGN_FINE_TUNING
from unconceal.battery.inverted_latents import INVERTED_LATENTS
from unconceal.battery.noise_search import NOISE_SEARCH
from unconceal.battery.probe import Probe
from unconceal.battery.prompt_attack import EMBEDDING_ATTACK, TOKEN_ATTACK
from unconceal.battery.relearning import RELEARNING, TEXTUAL_INVERSION
from unconceal.battery.renoising import RENOISING
from unconceal.battery.weight_edits import WEIGHT_EDITS
from unconceal.specs.battery import ProbeName

PROBES: Mapping[ProbeName, Probe] = {
    "relearning": RELEARNING,
    "renoising": RENOISING,
    "benign-fine-tuning": BENIGN_FINE_TUNING,
    "textual-inversion": TEXTUAL_INVERSION,
    "inverted-latents": INVERTED_LATENTS,
    "noise-search": NOISE_SEARCH,
    "embedding-attack": EMBEDDING_ATTACK,
    "token-attack": TOKEN_ATTACK,
    "weight-edits": WEIGHT_EDITS,
}
