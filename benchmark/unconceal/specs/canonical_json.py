"""Canonical JSON (RFC 8785): what :mod:`rfc8785` writes, in less than half the time, since a record is thousands of plain numbers."""

from __future__ import annotations

from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from typing import Any

import rfc8785


def canonical_json(value: Any) -> bytes:
    """The one spelling of a plain value: sorted keys, no spaces, shortest numbers; NaN is refused.

    Raises:
        rfc8785.CanonicalizationError: a value that JSON has no word for.
        TypeError: a name that is no text.
    """
    return _text(value).encode()


def _text(value: Any) -> str:
    kind = type(value)
    if kind is float:
        return _number(value)
    if kind is list or kind is tuple:
        return f"[{','.join([_text(one) for one in value])}]"
    if kind is dict and "".join(map(str, value)).isascii():
        return f"{{{','.join([f'{_quoted(name)}:{_text(value[name])}' for name in sorted(value)])}}}"
    if kind is str and value.isascii():
        return _quoted(value)
    return rfc8785.dumps(value).decode()


def _number(number: float) -> str:
    """Python writes most numbers as JavaScript does; whole ones, very small or large ones and those that are none it does not."""
    text = repr(number)
    return _unlike(number) if text.endswith(".0") or "e" in text or "n" in text else text


@lru_cache(4096)
def _unlike(number: float) -> str:
    return rfc8785.dumps(number).decode()
