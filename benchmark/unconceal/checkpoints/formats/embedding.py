"""Learned embeddings by token, ``{"<token>": vector}``, as textual inversion and Forget-Me-Not save them.

The embedding of a token that the base's vocabulary has replaces it. A placeholder such as ``<s1>`` occurs in no prompt of a task, so its
embedding is left out (:mod:`unconceal.checkpoints.vocabulary`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from unconceal.checkpoints.key_names import Base
from unconceal.checkpoints.release import Group, Reading
from unconceal.checkpoints.vocabulary import PLACEHOLDER
from unconceal.checkpoints.weights_file import check_floating, shortened
from unconceal.errors import CheckFailed

TOKEN = re.compile(r"[^.\s/_]{1,40}")
NAMELESS = re.compile(r"(string_to_param\..*|emb_params|clip_[lg])")
"""Keys of embeddings whose token only the file's name tells."""


def select(keys: Sequence[str], component: str | None, metadata: Mapping[str, str]) -> list[str]:
    if component is not None and not component.startswith("text_encoder"):
        return []
    words = all(map(TOKEN.fullmatch, keys))
    return [key for key in keys if words or PLACEHOLDER.fullmatch(key) or NAMELESS.fullmatch(key)]


def read(group: Group, base: Base) -> Reading:
    if group.component not in (None, "text_encoder"):
        consequence = f"holds embeddings of {group.component}, and only those of text_encoder are applied"
        raise CheckFailed("checkpoint.wrong-component", group.source, consequence, "release the text encoder itself")
    nameless = next(filter(NAMELESS.fullmatch, group.tensors), None)
    if nameless:
        consequence = f"holds an embedding {nameless!r} without its token, so nobody knows which word it changes"
        raise CheckFailed("embedding.no-token", group.source, consequence, 'save it as {"word": embedding}')
    flat = next((token for token, tensor in group.tensors.items() if tensor.ndim not in (1, 2)), None)
    if flat:
        consequence = f"gives {shortened(flat)!r} a tensor of {group.tensors[flat].ndim} dimensions, where an embedding has 1 or 2"
        raise CheckFailed("checkpoint.wrong-shape", group.source, consequence, 'save it as {"word": embedding}')
    check_floating(group.tensors.values(), "an embedding", group.source)
    return Reading(
        frozenset(group.tensors), embeddings={token: tensor.reshape(-1, tensor.shape[-1]) for token, tensor in group.tensors.items()}
    )
