"""Tokens of a release: embeddings by token, tokens that it adds, and its tokenizer.

A release may bring its tokenizer if that splits prompts as the base's does. Added tokens are left out if no prompt of a task holds them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unconceal.checkpoints.folders import read_json
from unconceal.checkpoints.key_names import StateDict
from unconceal.checkpoints.release import Release
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

PLACEHOLDER = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
"""Tokens that no prompt holds as a word."""
NO_PROMPT = "which no prompt of a task holds"
MAX_BYTES = 16 * 2**20
"""Limit of a tokenizer's file."""
FULL, VOCABULARY, MERGES, ADDED = "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json"
CONFIG, SPECIAL, SENTENCE_PIECE = "tokenizer_config.json", "special_tokens_map.json", "spiece.model"
REMEDY = "leave the tokenizer out, or release weights that use the base's"


def token_rows(pipe: Any, embeddings: Mapping[str, Tensor]) -> tuple[StateDict, tuple[str, ...]]:
    """The base's token embeddings with those that a release gives for tokens of the base's vocabulary, and notes on the others.

    Raises:
        CheckFailed: an embedding has another width, or is of a word that is no token of the base.
    """
    module: Any = pipe.text_encoder.get_input_embeddings()
    tokenizer = pipe.tokenizer
    key = next(f"{name}.weight" for name, part in pipe.text_encoder.named_modules() if part is module)
    weight: Tensor = module.weight.detach().clone()
    vocabulary, given, notes = tokenizer.get_vocab(), dict[int, str](), []
    for token, embedding in embeddings.items():
        if embedding.shape[-1] != weight.shape[1]:
            consequence = f"is {embedding.shape[-1]} wide, where the base's token embeddings are {weight.shape[1]} wide"
            raise CheckFailed("checkpoint.wrong-shape", f"the embedding of {shortened(token)!r}", consequence, "submit it to its own base")
        # CLIP's vocabulary has words with a mark of their end; the same letters without it begin longer words.
        index = vocabulary.get(f"{token.lower()}</w>", vocabulary.get(token))
        if index is not None and len(embedding) == 1:
            row = embedding[0].to(weight)
            if index in given and not torch.equal(weight[index], row):
                consequence = f"and that of {shortened(given[index])!r} are two embeddings of one token, so nobody knows which is meant"
                raise CheckFailed(
                    "checkpoint.conflicting-tensors", f"the embedding of {shortened(token)!r}", consequence, "release the one that is meant"
                )
            weight[index], given[index] = row, token
        elif index is None and PLACEHOLDER.fullmatch(token):
            notes.append(f"the embedding of {shortened(token)!r}, {NO_PROMPT}")
        else:
            consequence = "is no single token of the base, so it would change how prompts are split"
            remedy = "give embeddings of the base's own tokens, or of placeholders such as <s1>"
            raise CheckFailed("embedding.unknown-token", f"the embedding of {shortened(token)!r}", consequence, remedy)
    return ({key: weight} if given else {}), tuple(notes)


def without_added_rows(component: str, base: nn.Module, state: StateDict) -> tuple[StateDict, tuple[str, ...]]:
    """A text encoder's tensors without the embeddings of tokens that the base does not have, and a note on them."""
    encoder: Any = base
    embeddings = encoder.get_input_embeddings() if component.startswith("text_encoder") else None
    if embeddings is None:
        return state, ()
    rows = embeddings.weight.shape[0]
    larger = {key: value for key, value in state.items() if value.ndim == 2 and _is_embedding(key) and value.shape[0] > rows}
    added = max((value.shape[0] - rows for value in larger.values()), default=0)
    notes = (f"{added} rows of {component}'s embeddings for added tokens, {NO_PROMPT}",) if added else ()
    return state | {key: value[:rows] for key, value in larger.items()}, notes


def _is_embedding(key: str) -> bool:
    return key.endswith(("token_embedding.weight", "shared.weight", "embed_tokens.weight"))


def check_tokenizers(pipe: Any, release: Release) -> tuple[str, ...]:
    """Compare a release's tokenizers with the base's.

    Returns:
        Notes on the tokens that it adds.

    Raises:
        CheckFailed: it splits prompts in another way, or adds a token that a prompt may hold.
    """
    notes: list[str] = []
    folders = {name.partition("/")[0] for name in release.names if name.startswith("tokenizer") and "/" in name}
    at_root = any(name in (FULL, VOCABULARY, MERGES, ADDED) for name in release.names)
    for folder in sorted({*folders, *([""] if at_root else [])}):
        tokenizer = getattr(pipe, folder or "tokenizer", None)
        if tokenizer is not None:
            notes += _compare(tokenizer, release, folder)
    return tuple(notes)


def _compare(tokenizer: Any, release: Release, folder: str) -> list[str]:
    """Notes on the tokens that one tokenizer adds. Each file that could define it is compared: libraries differ in which they read."""
    inside = [name for name in release.names if (name.startswith(f"{folder}/") if folder else "/" not in name)]
    files = {name.removeprefix(f"{folder}/"): release.path / name for name in inside}
    if getattr(tokenizer, "backend_tokenizer", None) is None or (SENTENCE_PIECE in files and FULL not in files):
        raise _other(release, folder, "cannot be compared with the base's")
    base = json.loads(tokenizer.backend_tokenizer.to_str())
    own = tokenizer.get_vocab().keys() | _contents(base.get("added_tokens"))
    content = {
        name: read_json(files[name], release.path, MAX_BYTES) for name in (FULL, VOCABULARY, ADDED, CONFIG, SPECIAL) if name in files
    }
    added = content.get(ADDED, {}).keys() | _contents(content.get(FULL, {}).get("added_tokens"))
    added |= _contents(list(_table(content.get(CONFIG, {}).get("added_tokens_decoder")).values()))
    vocabulary = content.get(VOCABULARY, {})
    added |= vocabulary.keys()
    same = FULL not in content or _same_model(content[FULL], base)
    if vocabulary:
        indices = tokenizer.get_vocab()
        same &= indices.keys() <= added and all(vocabulary[word] == indices[word] for word in vocabulary.keys() & indices.keys())
    if MERGES in files:
        same &= _merges(files[MERGES]) == _rules(base["model"].get("merges"))
    for name, said in _special(content):
        if said != (expected := getattr(tokenizer, name, None)):
            raise _other(release, folder, f"says {name} {shortened(repr(said))}, where the base's is {expected!r}")
    if not same:
        raise _other(release, folder, "splits prompts in another way than the base's, so every token would be another")
    new = sorted(added - own)
    words = [token for token in new if not PLACEHOLDER.fullmatch(token)]
    if words:
        raise _other(release, folder, f"adds the token {shortened(words[0])!r}, which a prompt may hold")
    return [f"{len(new)} tokens that {folder} adds ({shortened(', '.join(new))}), {NO_PROMPT}"] if new else []


def _special(content: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The special tokens and the length that a tokenizer's settings name: they fill every prompt up."""
    for settings in (content.get(SPECIAL, {}), content.get(CONFIG, {})):
        for name in ("bos_token", "eos_token", "pad_token", "unk_token", "model_max_length"):
            said = settings.get(name)
            said = said.get("content") if isinstance(said, dict) else said
            if said is not None:
                yield name, said


def _same_model(content: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    """Whether a tokenizer.json splits text as the base's."""
    model = _table(content.get("model"))
    rules = model.get("vocab") == base["model"].get("vocab") and _rules(model.get("merges")) == _rules(base["model"].get("merges"))
    return rules and all(content.get(part) == base.get(part) for part in ("normalizer", "pre_tokenizer"))


def _other(release: Release, folder: str, consequence: str) -> CheckFailed:
    return CheckFailed("checkpoint.other-tokenizer", str(release.path / folder), consequence, REMEDY)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _contents(entries: Any) -> set[str]:
    """The tokens of a list of added tokens."""
    return {str(entry.get("content")) for entry in (entries if isinstance(entries, list) else []) if isinstance(entry, dict)}


def _rules(merges: Any) -> Any:
    """Merges as lists: older files write them as text."""
    return [rule.split(" ") if isinstance(rule, str) else rule for rule in merges] if isinstance(merges, list) else merges


def _merges(path: Path) -> list[list[str]] | None:
    """The rules of a file of merges, in their order."""
    if path.stat().st_size > MAX_BYTES:
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith("#version")]
