"""Every format of output: text of strangers stays text."""

from __future__ import annotations

import csv
import io

import pytest
from markdown_it import MarkdownIt

from unconceal.escape import citation_key, csv_cell, escape_bibtex, escape_html, escape_latex, escape_markdown, escape_terminal, escape_url

MARKUP = "<img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](http://x/y.png) `c` | d ~~e~~ &lt;f&gt; # **g** \\ _h_"


def test_markdown_stays_text() -> None:
    [paragraph] = [token for token in MarkdownIt("gfm-like", {"linkify": False}).parse(escape_markdown(MARKUP)) if token.type == "inline"]
    assert {child.type for child in paragraph.children or ()} <= {"text", "text_special"}
    assert "".join(child.content for child in paragraph.children or ()) == MARKUP
    assert "\n" not in escape_markdown("a\n\n# b")


def test_html_has_no_tag() -> None:
    assert not {"<", ">", '"'} & set(str(escape_html(MARKUP + '"')))


@pytest.mark.parametrize("text", ["}", "{", "\\}", "a}, author = {Somebody Else", "100 % $x$ #1 & ~^_", "\\input{/etc/passwd}"])
def test_tex_is_balanced_and_has_no_command(text: str) -> None:
    for escaped in (escape_latex(text), escape_bibtex(text)):
        depth = 0
        for sign in escaped:
            depth += (sign == "{") - (sign == "}")
            assert depth >= 0
        assert depth == 0
        assert r"\input" not in escaped


def test_citation_keys_hold_no_sign_that_ends_them() -> None:
    assert citation_key("esd-x", "miniature-1", "star") == "esd-x-miniature-1-star"
    assert set(citation_key("a,b}", "{c#", "d e%")) <= set("abcde-")


def test_urls_cannot_end_a_link() -> None:
    assert escape_url("https://arxiv.org/abs/2309.1") == "https://arxiv.org/abs/2309.1"
    assert not set(escape_url('https://x/a)b}c"d e<f>\\')) & set(')}" <>\\')


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_cells_are_no_formulas(sign: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([csv_cell(f"{sign}1+1"), csv_cell(-0.5)])
    assert next(csv.reader(io.StringIO(buffer.getvalue(), newline=""))) == [f"'{sign}1+1", "-0.5"]


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\x9b", "\r", "\x7f", "\u202e", "\u2066", "\u200b", "\u2028", "\udc80", "\ue000"])
def test_terminals_get_no_control(sign: str) -> None:
    text = escape_terminal(f"θ {sign}[31m\n")
    assert sign not in text
    assert text.startswith("θ \\")
    assert text.endswith("[31m\n")
