"""SPM (arXiv 2312.16145): kohya's keys, and metadata that name the erased prompts.

A plain LoRA load would change its results: the network acts only as strongly as a prompt resembles an erased one (its "facilitated
transport"), so it stays a network beside the base; see :mod:`unconceal.diffusion.spm_strength`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from unconceal.checkpoints.formats import lora
from unconceal.checkpoints.key_names import Base
from unconceal.checkpoints.low_rank import LowRank, check_updates
from unconceal.checkpoints.release import Group, Reading, Spm, SpmNetwork
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

PROMPTS = "prompts"
"""Metadata key of the erased prompts."""
MOST_PROMPTS, LONGEST_PROMPT = 100, 400


def select(keys: Sequence[str], component: str | None, metadata: Mapping[str, str]) -> list[str]:
    return lora.select(keys, component, metadata) if PROMPTS in metadata else []


def read(group: Group, base: Base) -> Reading:
    source, metadata = group.source, group.file.weights.metadata
    # The released code takes α from the metadata, for all modules, and not from the α tensors beside the halves.
    alpha = _alpha(metadata.get("alpha"), source)
    released = lora.updates_of(group, base, {"lora_alpha": alpha}, stated_alphas=False)
    if set(released) != {"unet"}:
        raise CheckFailed(
            "spm.text-encoder",
            source,
            f"updates {', '.join(released)}, where an SPM updates the UNet alone",
            "release it as its code saves it",
        )
    updates = {name: update for name, update in released["unet"].items() if isinstance(update, LowRank)}
    if len(updates) < len(released["unet"]):
        raise CheckFailed("lora.unsupported-update", source, "has updates that no SPM has", "release it as its code saves it")
    check_updates("unet", base["unet"], updates, source)
    return Reading(frozenset(group.tensors), spm=Spm(updates, _prompts(metadata[PROMPTS], source)))


def spm_network(membranes: Sequence[Spm], source: str) -> SpmNetwork | None:
    """The membranes of a release together; None if it has none.

    Raises:
        CheckFailed: they update different layers, or have different ranks or α: the released code adds their factors up.
    """
    shapes = [{name: (update.down.shape, update.up.shape, update.scale) for name, update in part.updates.items()} for part in membranes]
    if any(shape != shapes[0] for shape in shapes):
        consequence = "holds SPMs of other layers, ranks or α than each other, whose factors do not add up"
        raise CheckFailed("spm.incompatible", source, consequence, "train them alike, or submit them one by one")
    return SpmNetwork("unet", tuple(membranes)) if membranes else None


def _alpha(said: str | None, source: str) -> float:
    try:
        value = float(said if said is not None else "")
    except ValueError:
        value = float("nan")
    if not isfinite(value) or value <= 0:
        raise CheckFailed(
            "spm.bad-alpha",
            source,
            f"says α is {shortened(str(said))!r} in its metadata, which is no positive number",
            "release it as its code saves it",
        )
    return value


def _prompts(said: str, source: str) -> tuple[str, ...]:
    prompts = tuple(said.split(","))
    if len(prompts) > MOST_PROMPTS or any(len(prompt) > LONGEST_PROMPT or not prompt.strip() for prompt in prompts):
        raise CheckFailed(
            "spm.bad-prompts", source, f"names its erased prompts as {shortened(said)!r}", "name them in the metadata, separated by commas"
        )
    return prompts
