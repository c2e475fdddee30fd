"""One entry of BibTeX as an author writes it. It is printed beside others, so it must be whole and hold no commands."""

from __future__ import annotations

import re
from typing import NamedTuple

KINDS = ("article", "book", "incollection", "inproceedings", "mastersthesis", "misc", "phdthesis", "techreport", "unpublished")
HEAD = re.compile(r"@(?P<kind>[A-Za-z]+)\s*\{\s*(?P<key>[A-Za-z0-9][A-Za-z0-9:._/+-]*)\s*,(?P<body>.*)\}", re.DOTALL)
FIELD = re.compile(r"\s*(?P<name>[A-Za-z][A-Za-z0-9_-]*)\s*=\s*")
COMMAND = re.compile(r"\\(?![&%$#_{}\"'`^~=.]|[cvuHkrbdt]\b|[oOlL]\b|a[ae]\b|A[AE]\b|oe\b|OE\b|ss\b|i\b|j\b)")
"""A backslash that is no accent, letter or escaped sign."""


class BibtexEntry(NamedTuple):
    """Kind, key and fields; the values without their outer braces."""

    kind: str
    key: str
    fields: dict[str, str]


def bibtex_flaw(text: str) -> str:
    """Why a text is no single plain entry; empty if it is one."""
    try:
        parse_bibtex(text)
    except ValueError as error:
        return str(error)
    return ""


def parse_bibtex(text: str) -> BibtexEntry:
    """The entry of a text.

    Raises:
        ValueError: it is no single entry of a known kind, a field does not end, or it holds a command of TeX.
    """
    match = HEAD.fullmatch(text.strip())
    if match is None or match["kind"].lower() not in KINDS:
        raise ValueError(f"is no entry of a kind among {', '.join(KINDS)}")
    if COMMAND.search(text) or "%" in text.replace("\\%", "") or not all(sign.isprintable() or sign in "\n\t" for sign in text):
        raise ValueError("holds a command, a comment or control characters")
    fields, body, position = dict[str, str](), match["body"], 0
    while body[position:].strip(" \n\t,"):
        name = FIELD.match(body, position)
        if name is None:
            raise ValueError("has a field without a name")
        value, position = _value(body, name.end())
        fields[name["name"].lower()] = " ".join(value.split())
        separator = re.compile(r"\s*(,|$)").match(body, position)
        if separator is None:
            raise ValueError("has a field that does not end")
        position = separator.end()
    return BibtexEntry(match["kind"].lower(), match["key"], fields)


def _value(body: str, start: int) -> tuple[str, int]:
    """A value in braces or quotes, or a number, and the position after it."""
    opening = body[start : start + 1]
    if opening not in ("{", '"'):
        number = re.compile(r"[0-9]+").match(body, start)
        if number is None:
            raise ValueError("has a value that is neither in braces nor a number")
        return number[0], number.end()
    depth = 0
    for position in range(start + (opening == '"'), len(body)):
        depth += {"{": 1, "}": -1}.get(body[position], 0)
        if depth < 0:
            break
        if depth == 0 and body[position] == ("}" if opening == "{" else '"'):
            return body[start + 1 : position], position + 1
    raise ValueError("has braces that do not balance")
