"""Limits of a JSON file of a stranger, checked on its bytes: a parser may need a thousand times as much memory as the text."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

MAX_NODES = 200_000
"""Values and keys of a file; the largest records have 10,000."""
MAX_DIGITS = 16
"""Digits of a whole number: RFC 8785 knows numbers up to 2⁵³."""
_LONG_NUMBER = re.compile(rb"[\s:,\[]-?\d{%d,}[\s,\]}]" % (MAX_DIGITS + 1))

_NO_NODE = bytes(byte for byte in range(256) if chr(byte) not in ",[{")
_SHAPE = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(",") if chr(byte) in " \t\r\n:,[-" else byte for byte in range(256))
"""Digits as 0 and what may precede a number as a comma: a search for a plain text in it takes a seventh of the time of the expression."""


def json_excess(content: bytes) -> str | None:
    """What a JSON text has too much of, in words; None if it may be parsed."""
    # Commas and brackets inside of strings count as well, which is on the safe side.
    nodes = len(content.translate(None, _NO_NODE))
    if nodes > MAX_NODES:
        return f"{nodes} values, more than any has ({MAX_NODES})"
    may_be_long = b"," + b"0" * (MAX_DIGITS + 1) in content.translate(_SHAPE)
    return f"a whole number of more than {MAX_DIGITS} digits" if may_be_long and _LONG_NUMBER.search(content) else None


def parse_json(content: bytes) -> tuple[Any, str | None]:
    """The value of a JSON text, and a key that one of its objects has twice, of which readers take one or the other.

    Raises:
        ValueError, RecursionError: it is no JSON.
    """
    twice: list[str] = []

    def to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            twice.extend(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        return table

    value = json.loads(content, object_pairs_hook=to_dict)
    return value, twice[0] if twice else None
