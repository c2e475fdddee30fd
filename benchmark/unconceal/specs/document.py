"""Reads a YAML file into plain values with line numbers. Tags, anchors and aliases are refused; nothing is executed."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, DocumentStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from unconceal.errors import elided
from unconceal.files import is_below, read_regular_file
from unconceal.specs.problems import Location, Problem, dotted_name
from unconceal.specs.spec import Mistake

MAX_BYTES, MAX_LINES, MAX_DEPTH, MAX_EVENTS, MAX_INTEGER = 200_000, 8_000, 20, 10_000, 2**53
"""Limits of a spec file: bytes, lines, levels of nesting, keys and values, and the largest whole number (RFC 8785).

Far above real ones, whose largest has 20 kB, and so low that the parser is done within a second.
"""
NULL_TAG = "tag:yaml.org,2002:null"
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null"))


@dataclass
class Document:
    """One YAML file.

    Attributes:
        path: the file.
        values: its plain values; None if it cannot be read.
        lines: line number, from 1, of every field.
        problems: mistakes of its syntax.
    """

    path: Path
    values: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, inside: Path | None = None) -> Document:
        """Read a file; mistakes of its syntax go to ``problems``. ``inside``: a folder that it must not be a link out of."""
        document = cls(path)
        if inside is not None and not is_below(path, inside):
            document.add("spec.link", None, "the file", "is a link out of its folder, so it is not opened", "put the file itself there")
            return document
        text = document._text()
        if text is None:
            return document
        if (lines := text.count("\n")) > MAX_LINES:
            document.add("spec.too-large", None, f"{lines} lines", f"are more than a spec may have ({MAX_LINES})", "keep data out of specs")
            return document
        try:
            if document._refuse_special_syntax(text):
                node = YAML(typ="safe", pure=True).compose(text)
                document.values = document._plain(node, ()) if node is not None else None
        except Exception as error:
            # Beside errors of its own the parser raises whatever a strange character or escape leads it to.
            document._syntax(error)
            return document
        if not isinstance(document.values, dict) and not document.problems:
            document.add("spec.empty", None, "the file", "holds no mapping of fields", "write `field: value` lines")
        return document

    def line(self, location: Location) -> int | None:
        """Line of a field, or of the nearest field that encloses it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location)

    def problem(self, mistake: Mistake) -> Problem:
        """A mistake with its file and line."""
        return Problem(mistake.code, self.path, self.line(mistake.location), mistake.value, mistake.consequence, mistake.remedy)

    def add(self, code: str, line: int | None, value: str, consequence: str, remedy: str) -> None:
        """Append a problem."""
        self.problems.append(Problem(code, self.path, line, value, consequence, remedy))

    def _text(self) -> str | None:
        try:
            return read_regular_file(self.path, MAX_BYTES).decode("utf-8-sig")
        except OSError as error:
            if error.errno == errno.EFBIG:
                self.add("spec.too-large", None, "the file", f"is more than a spec may hold ({MAX_BYTES} bytes)", "keep data out of specs")
            else:
                self.add("spec.unreadable", None, "the file", f"cannot be read ({error.strerror})", "check the name and its permissions")
        except UnicodeDecodeError as error:
            self.add("spec.not-utf8", None, f"byte {error.start}", "is no UTF-8 text, so this is no YAML", "save the file as UTF-8 text")
        return None

    def _refuse_special_syntax(self, text: str) -> bool:
        """Report tags, anchors, aliases, further documents and deep nesting.

        Returns:
            Whether the file may be read: not with aliases, whose expansion has no bound, with several documents or beyond the depth limit.
        """
        documents, aliases, depth = 0, False, 0
        for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
            line = event.start_mark.line + 1
            if number > MAX_EVENTS:
                self.add("spec.too-large", line, f"{number} keys and values", "are more than a spec may hold", "keep data out of specs")
                return False
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > MAX_DEPTH:
                self.add("spec.too-deep", line, f"{depth} levels", "are more than a spec may nest", "write it flat, or close what is open")
                return False
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents == 2:
                    self.add(
                        "spec.several-documents",
                        line,
                        "'---'",
                        "begins another document, and only one is read",
                        "keep one document to a file",
                    )
            elif isinstance(event, AliasEvent):
                aliases = True
                self.add("spec.alias", line, f"'*{event.anchor}'", "is an alias, which a spec may not hold", "write the value out")
            elif getattr(event, "anchor", None):
                self.add("spec.alias", line, f"'&{event.anchor}'", "is an anchor, which a spec may not hold", "write the value out")
            if getattr(event, "tag", None) and not isinstance(event, AliasEvent):
                self.add(
                    "spec.tag",
                    line,
                    f"tag '{event.tag}'",
                    "is refused, nothing in a spec is executed",
                    "remove the tag, keep the plain value",
                )
        return documents < 2 and not aliases

    def _syntax(self, error: Exception) -> None:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        message = (error.problem if isinstance(error, MarkedYAMLError) else str(error)) or "unreadable"
        line = mark.line + 1 if mark else None
        self.add("spec.not-yaml", line, "the text", f"is no YAML ({' '.join(message.split())})", "correct the syntax here or just above")

    def _plain(self, node: Node, location: Location) -> Any:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return {name: self._plain(value, (*location, name)) for name, value in self._pairs(node, location)}
        if isinstance(node, SequenceNode):
            return [self._plain(value, (*location, index)) for index, value in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: Node) -> Any:
        try:
            value = plain_scalar(node)
        except Exception:
            # ``0x_``, ``._``, 5,000 digits: each raises something else.
            value = None
        if (value is None and node.tag != NULL_TAG) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
            line, written = node.start_mark.line + 1, elided(str(node.value), 40)
            self.add("spec.bad-number", line, f"{written!r}", "is no number that can be read exactly", "correct it, or put it in quotes")
            return None
        return value

    def _pairs(self, node: MappingNode, location: Location) -> Iterator[tuple[str, Node]]:
        """Pairs of a mapping, the first of each key; a duplicate key is reported."""
        first_lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.add("spec.bad-key", line, "a list or mapping as a key", "names no field", "use a plain name")
            elif key.value in first_lines:
                self.add(
                    "spec.duplicate-key",
                    line,
                    dotted_name((*location, key.value)),
                    f"stands twice (first in line {first_lines[key.value]}), so one would be lost",
                    "keep one of them",
                )
            else:
                first_lines[key.value] = line
                self.lines[(*location, key.value)] = line
                yield key.value, value


def plain_scalar(node: Node) -> Any:
    """A bool, number or null of YAML 1.2; everything else, including dates, is text."""
    if node.tag in PLAIN_TAGS:
        return YAML(typ="safe", pure=True).constructor.construct_object(node)
    return node.value
