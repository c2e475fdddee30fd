"""Escapes text of strangers, one function per format of output. Whatever a spec or record says goes through one of them."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from markupsafe import Markup

TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # BibTeX counts braces even after a backslash, so a single one would end the field.
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
} | {sign: f"\\{sign}" for sign in "&%$#_"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""


def escape_html(text: object) -> Markup:
    """Text for HTML and SVG. Templates escape by themselves."""
    from markupsafe import escape

    return escape(text)


def escape_markdown(text: str) -> str:
    """Text on one line without Markdown or HTML syntax."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", one_line(text))


def escape_latex(text: str) -> str:
    """Text on one line for LaTeX, with balanced braces."""
    return "".join(TEX.get(sign, sign) for sign in one_line(text))


def escape_bibtex(text: str) -> str:
    """Text for a field of BibTeX: as for LaTeX."""
    return escape_latex(text)


def citation_key(*parts: str) -> str:
    """A key of BibTeX or a label of LaTeX: letters, digits, dots and hyphens."""
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-") for part in parts)


def escape_url(url: str) -> str:
    """A web address without characters that could end a link of Markdown, HTML, LaTeX or BibTeX."""
    return quote(url, safe="/:?=&#%+@,;~")


def csv_cell(value: Any) -> Any:
    """A value of a CSV table: a number stays one, a text that spreadsheets would compute becomes text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def escape_terminal(text: str) -> str:
    """Text without control characters, escape sequences and marks of direction, which are written as JSON does; line ends stay."""
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def one_line(text: str) -> str:
    """Text with single spaces for all white space, and without control characters."""
    return escape_terminal(" ".join(text.split()))


def _visible(sign: str) -> str:
    # Category C: control, format (with the marks of direction), surrogate, private use, unassigned. Zl and Zp end lines.
    if sign in "\n\t" or not (unicodedata.category(sign).startswith("C") or sign in "\u2028\u2029"):
        return sign
    return json.dumps(sign)[1:-1]
