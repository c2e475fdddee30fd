"""SPM (arXiv 2312.16145): kohya's keys, and metadata that name the erased prompts.

A plain LoRA load would change its results: the network acts only as strongly as a prompt resembles an erased one (its "facilitated
transport"), so it stays a network beside the base; see :mod:`unconceal.diffusion.spm_strength`.
"""

from __future__ import annotations

from math import isfinite

from unconceal.checkpoints.formats.lora import SPM_PROMPTS, halves_of, low_rank
from unconceal.checkpoints.key_names import Base
from unconceal.checkpoints.low_rank import check_updates, low_rank_updates
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint, SpmNetwork
from unconceal.checkpoints.weights_file import Weights, shortened
from unconceal.errors import CheckFailed

MOST_PROMPTS, LONGEST_PROMPT = 100, 400


def detect(opened: OpenedCheckpoint) -> bool:
    return isinstance(opened, Weights) and SPM_PROMPTS in opened.metadata and low_rank(opened.flat)


def read(opened: OpenedCheckpoint, base: Base) -> ReadCheckpoint:
    assert isinstance(opened, Weights)
    source = str(opened.path)
    halves, _ = halves_of(opened.flat, base, source)
    if set(halves) != {"unet"}:
        raise CheckFailed(
            "spm.text-encoder",
            source,
            f"updates {', '.join(halves)}, where an SPM updates the UNet alone",
            "release it as its code saves it",
        )
    # The released code takes α from the metadata, for all modules, and not from the α tensors beside the halves.
    updates = low_rank_updates(halves["unet"], {}, source, default=_alpha(opened.metadata.get("alpha"), source))
    check_updates("unet", base["unet"], updates, source)
    return ReadCheckpoint({}, spm=SpmNetwork("unet", updates, _prompts(opened.metadata[SPM_PROMPTS], source)))


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
