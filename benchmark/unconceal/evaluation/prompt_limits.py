"""Prompts that are longer than a tokenizer takes: their ends are neither drawn nor scored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from unconceal.hub.pinned_models import cached_path
from unconceal.paths import DataRoot
from unconceal.progress import hide_library_progress
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.record import PromptReader
from unconceal.specs.spec import Mistake
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

Location = tuple[str | int, ...]
READERS: dict[PromptReader, str] = {"generation": "drawn", "clip": "scored by CLIP"}


@dataclass(frozen=True)
class PromptLimit:
    """A tokenizer and how many tokens its model takes.

    Attributes:
        reader: ``generation``: a text encoder of the base; ``clip``: the judge.
    """

    reader: PromptReader
    tokenizer: Any
    max_tokens: int

    def n_tokens(self, text: str) -> int:
        """Tokens of a text, with those that begin and end it."""
        return len(self.tokenizer(text, verbose=False).input_ids)

    def cuts(self, text: str) -> bool:
        """Whether the text's end is not read."""
        return self.n_tokens(text) > self.max_tokens


def load_prompt_limits(base: Path, clip: Path) -> tuple[PromptLimit, ...]:
    """The tokenizers of a diffusers folder and of a CLIP folder, as their files state the limits.

    Raises:
        OSError, ValueError: one cannot be read.
    """
    from transformers import AutoTokenizer

    with hide_library_progress():
        encoders = [AutoTokenizer.from_pretrained(folder, local_files_only=True) for folder in sorted(base.glob("tokenizer*"))]
        judge = AutoTokenizer.from_pretrained(clip, local_files_only=True)
    max_clip_tokens = json.loads((clip / "config.json").read_text(encoding="utf-8"))["text_config"].get("max_position_embeddings", 77)
    limits = [PromptLimit("generation", tokenizer, tokenizer.model_max_length) for tokenizer in encoders]
    return (*limits, PromptLimit("clip", judge, max_clip_tokens))


def limits_at_hand(suite: Suite, root: DataRoot) -> tuple[PromptLimit, ...]:
    """The suite's tokenizers, if they are on this machine; nothing is downloaded, and no digest is checked."""
    base, clip = (cached_path(pinned, root) for pinned in (suite.base, suite.judges.clip))
    return () if base is None or clip is None else _readable_limits(base, clip)


@cache
def _readable_limits(base: Path, clip: Path) -> tuple[PromptLimit, ...]:
    try:
        return load_prompt_limits(base, clip)
    except (OSError, ValueError):
        return ()


def count_truncated(limits: Iterable[PromptLimit], drawn: Iterable[str], scored: Iterable[str]) -> dict[str, int]:
    """How many distinct prompts are cut, by reader; readers that cut none are left out.

    Args:
        limits: of the suite's tokenizers.
        drawn: prompts of images.
        scored: prompts that CLIP compares images with.
    """
    texts: dict[PromptReader, set[str]] = {"generation": set(drawn), "clip": set(scored)}
    cut: dict[PromptReader, set[str]] = {}
    for limit in limits:
        cut.setdefault(limit.reader, set()).update(filter(limit.cuts, texts[limit.reader]))
    return {reader: len(prompts) for reader, prompts in cut.items() if prompts}


Texts = list[tuple[Location, str]]
"""Texts of a spec, each with its location."""


def lint_lengths(task: Task, limits: Sequence[PromptLimit]) -> Iterator[Mistake]:
    """Prompts and captions of a task that are cut."""
    forget: Texts = [(("forget", index), prompt.text) for index, prompt in enumerate(task.forget)]
    retain: Texts = [(("retain", index), prompt.text) for index, prompt in enumerate(task.retain)]
    captions: Texts = [(("caption",), task.caption)] if task.caption else []
    for field, classes in (("neighbours", task.neighbours), ("distractors", task.distractors)):
        captions += [((field, index, "caption"), depicted.caption) for index, depicted in enumerate(classes)]
    neighbours: Texts = []
    for number, neighbour in enumerate(task.neighbours):
        neighbours += [(("neighbours", number, "prompts", index), text) for index, text in enumerate(neighbour.prompts)]
    drawn = dict(cut_texts((*forget, *retain, *neighbours), limits, "generation"))
    scored = dict(cut_texts((*forget, *captions), limits, "clip"))
    yield from (scored | drawn).values()


def lint_attack_lengths(probes: ProbeSet, limits: Sequence[PromptLimit]) -> Iterator[Mistake]:
    """Attacks of a frozen probe set that are cut."""
    attacks: Texts = [(("attacks", index, "prompt"), attack.prompt) for index, attack in enumerate(probes.attacks)]
    for _, mistake in cut_texts(attacks, limits, "generation"):
        yield mistake._replace(code="probes.long-attack", remedy="elicit shorter attacks for the suite's next version")


def cut_texts(
    texts: Iterable[tuple[Location, str]], limits: Iterable[PromptLimit], reader: PromptReader
) -> Iterator[tuple[Location, Mistake]]:
    """A mistake for each text that a reader cuts, with its location."""
    for location, text in texts:
        cutting = [limit for limit in limits if limit.reader == reader and limit.cuts(text)]
        if cutting:
            limit = min(cutting, key=lambda limit: limit.max_tokens)
            consequence = f"has {limit.n_tokens(text)} tokens, {limit.max_tokens} are {READERS[reader]}, so its end is left out"
            yield location, Mistake("prompt.too-long", location, repr(text), consequence, "shorten it")
