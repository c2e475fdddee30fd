"""Canonical JSON (RFC 8785). Equal to the output of :mod:`rfc8785` in less than half the time: records have thousands of numbers."""

from __future__ import annotations

from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from typing import Any

import rfc8785


def canonical_json(value: Any) -> bytes:
    """Serialize a value as canonical JSON: sorted keys, no spaces, shortest numbers.

    Raises:
        rfc8785.CanonicalizationError: the value has no JSON form, such as NaN.
        TypeError: a key is no string.
    """
    return _text(value).encode()


def _text(value: Any) -> str:
    kind = type(value)
    if kind is float:
        return _number(value)
    if kind is list or kind is tuple:
        return f"[{','.join([_text(item) for item in value])}]"
    if kind is dict and "".join(map(str, value)).isascii():
        return f"{{{','.join([f'{_quoted(name)}:{_text(value[name])}' for name in sorted(value)])}}}"
    if kind is str and value.isascii():
        return _quoted(value)
    return rfc8785.dumps(value).decode()


def _number(number: float) -> str:
    """Python prints most numbers as JavaScript does. Exceptions are whole, very small, very large and non-finite numbers."""
    text = repr(number)
    return _number_of_rfc8785(number) if text.endswith(".0") or "e" in text or "n" in text else text


@lru_cache(4096)
def _number_of_rfc8785(number: float) -> str:
    return rfc8785.dumps(number).decode()
