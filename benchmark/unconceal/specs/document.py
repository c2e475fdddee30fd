"""A YAML file as plain values that remember their lines. Only the plain part of YAML is read: nothing a file holds is executed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, DocumentStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from unconceal.specs.problems import Location, Problem, dotted_name
from unconceal.specs.spec import Mistake

MAX_BYTES, MAX_DEPTH = 1_000_000, 20
"""Bytes and levels of nesting that a spec may have."""
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null"))


@dataclass
class Document:
    """The values of one file, the line of every place in it, and the mistakes of its syntax."""

    path: Path
    values: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file; whatever is wrong with it as YAML stands in ``problems``."""
        document = cls(path)
        text = document._text()
        if text is None:
            return document
        try:
            if document._refuse_what_is_not_plain(text):
                node = YAML(typ="safe", pure=True).compose(text)
                document.values = document._plain(node, ()) if node is not None else None
        except (YAMLError, RecursionError) as error:
            document._syntax(error)
            return document
        if not isinstance(document.values, dict) and not document.problems:
            document.add("spec.empty", None, "the file", "holds no mapping of fields, so it says nothing", "write `field: value` lines")
        return document

    def line(self, place: Location) -> int | None:
        """The line of a place, or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def problem(self, mistake: Mistake) -> Problem:
        """A mistake with its file and line."""
        return Problem(mistake.code, self.path, self.line(mistake.location), mistake.value, mistake.consequence, mistake.remedy)

    def add(self, code: str, line: int | None, value: str, consequence: str, remedy: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(code, self.path, line, value, consequence, remedy))

    def _text(self) -> str | None:
        try:
            if self.path.stat().st_size > MAX_BYTES:
                self.add(
                    "spec.too-large",
                    None,
                    f"{self.path.stat().st_size} bytes",
                    f"is more than a spec may hold ({MAX_BYTES})",
                    "keep data out of specs",
                )
                return None
            return self.path.read_text(encoding="utf-8")
        except OSError as error:
            self.add("spec.unreadable", None, "the file", f"cannot be read ({error.strerror})", "check the name and its permissions")
        except UnicodeDecodeError as error:
            self.add("spec.not-utf8", None, f"byte {error.start}", "is no UTF-8 text, so this is no YAML", "save the file as UTF-8 text")
        return None

    def _refuse_what_is_not_plain(self, text: str) -> bool:
        """Note tags, anchors, aliases and further documents: a spec needs none, and each can hide what is meant.

        Returns whether the rest may be read: not with aliases, whose expansion has no bound, nor with several documents or endless depth.
        """
        documents, aliases, depth = 0, False, 0
        for event in YAML(typ="safe", pure=True).parse(text):
            line = event.start_mark.line + 1
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
        said = (error.problem if isinstance(error, MarkedYAMLError) else str(error)) or "unreadable"
        line = mark.line + 1 if mark else None
        self.add("spec.not-yaml", line, "the text", f"is no YAML ({' '.join(said.split())})", "correct the syntax here or just above")

    def _plain(self, node: Node, place: Location) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return {name: self._plain(value, (*place, name)) for name, value in self._pairs(node, place)}
        if isinstance(node, SequenceNode):
            return [self._plain(value, (*place, number)) for number, value in enumerate(node.value)]
        return plain_scalar(node)

    def _pairs(self, node: MappingNode, place: Location) -> Iterator[tuple[str, Node]]:
        """A mapping's pairs, the first of each name; a name that stands twice is a problem, not a silent choice."""
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.add("spec.bad-key", line, "a list or mapping as a key", "names no field", "use a plain name")
            elif key.value in seen:
                where = dotted_name((*place, key.value))
                self.add(
                    "spec.duplicate-key",
                    line,
                    where,
                    f"stands twice (first in line {seen[key.value]}), so one would be lost",
                    "keep one of them",
                )
            else:
                seen[key.value] = line
                self.lines[(*place, key.value)] = line
                yield key.value, value


def plain_scalar(node: Node) -> Any:
    """A bool, number or null of YAML 1.2; everything else, dates included, is text."""
    if node.tag in PLAIN_TAGS:
        return YAML(typ="safe", pure=True).constructor.construct_object(node)
    return node.value
