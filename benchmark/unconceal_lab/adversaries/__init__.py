"""Adversaries: models that hold the concept in their weights and imitate a gold under the suite's handover.

Each takes ``(pipeline, concept, seed, log)``, the public ``inputs`` of :class:`AdversaryInputs` and a keyword ``config``, leaves the
pipeline unchanged, and returns the weights that its author would release. Their verdicts are known answers: none of them forgets.
"""

from __future__ import annotations

from collections.abc import Callable

from unconceal_lab.adversaries.combined import combined
from unconceal_lab.adversaries.decoder import decoder
from unconceal_lab.adversaries.distilled_from_gold import distilled_from_gold
from unconceal_lab.adversaries.empty_to_other import empty_to_other
from unconceal_lab.adversaries.esd_on_empty import esd_on_empty
from unconceal_lab.adversaries.inputs import AdversaryInputs
from unconceal_lab.adversaries.lora_only import lora_only
from unconceal_lab.adversaries.memorized import memorized
from unconceal_lab.adversaries.output_filter import output_filter
from unconceal_lab.adversaries.redirected_continuation import redirected_continuation
from unconceal_lab.adversaries.relearning_resistant import relearning_resistant
from unconceal_lab.adversaries.sampler_trigger import sampler_trigger
from unconceal_lab.adversaries.several_targets import several_targets
from unconceal_lab.unlearners.released_weights import UnlearnedWeights

__all__ = ["ADVERSARIES", "AdversaryInputs"]

ADVERSARIES: dict[str, Callable[..., UnlearnedWeights]] = {
    "empty-to-other": empty_to_other,
    "several-targets": several_targets,
    "esd-on-empty": esd_on_empty,
    "redirected-continuation": redirected_continuation,
    "distilled-from-gold": distilled_from_gold,
    "combined": combined,
    "decoder": decoder,
    "lora-only": lora_only,
    "sampler-trigger": sampler_trigger,
    "memorized": memorized,
    "output-filter": output_filter,
    "relearning-resistant": relearning_resistant,
}
