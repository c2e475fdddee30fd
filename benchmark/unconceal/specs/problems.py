"""Mistakes of a file as people read them: file, line, value, consequence, remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from unconceal.errors import CheckFailed
from unconceal.specs.spec import Mistake

Location = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. ``line`` counts from 1; None where it concerns the whole file."""

    code: str = field(compare=False)
    file: Path
    line: int | None
    value: str
    consequence: str
    remedy: str

    def __str__(self) -> str:
        file = self.file.relative_to(Path.cwd()) if self.file.is_relative_to(Path.cwd()) else self.file
        where = str(file) if self.line is None else f"{file}:{self.line}"
        return " ".join(f"{where}: {self.value}: {self.consequence}; {self.remedy}".split())


class SpecProblems(CheckFailed):
    """All mistakes of one file (or of several), in the order of their lines; ``str()`` gives each its line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.file, problem.line or 0, problem.value)))
        first = self.problems[0]
        super().__init__(first.code, first.value, first.consequence, first.remedy)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def mistakes_from_errors(model: type[BaseModel], errors: Iterable[ErrorDetails]) -> Iterator[Mistake]:
    """Pydantic's errors in our words; a model's own mistakes are unfolded, one by one."""
    for error in errors:
        place: Location = tuple(error["loc"])
        context: Mapping[str, Any] = error.get("ctx", {})
        if error["type"] == "mistakes":
            yield from (mistake._replace(location=place + mistake.location) for mistake in context["mistakes"])
        else:
            yield _mistake(model, place, error, context)


def _mistake(model: type[BaseModel], place: Location, error: ErrorDetails, context: Mapping[str, Any]) -> Mistake:
    kind, name = error["type"], dotted_name(place)
    said = f"{name} = {short_repr(error['input'])}"
    if kind == "missing":
        return Mistake(
            "spec.missing-field", place, name, "is missing, so the file says too little to be used", f"add it{field_description(model, place)}"
        )
    if kind == "extra_forbidden":
        return Mistake(
            "spec.unknown-field",
            place,
            name,
            "is no known field, so nothing would read it",
            suggestion(str(place[-1]), field_names_at(model, place[:-1])),
        )
    if kind in BOUNDS:
        word, key = BOUNDS[kind]
        return Mistake(
            "spec.out-of-range", place, said, f"is out of range, it must be {word} {context[key]}", "choose a value within the range"
        )
    if kind == "literal_error" or "[key]" in place:
        return Mistake(
            "spec.unknown-value", place, said, "is not one of the allowed values", f"use {context.get('expected', 'another name')}"
        )
    if kind.endswith(("_type", "_parsing", "_from_float")):
        return Mistake(
            "spec.wrong-type", place, said, f"has the wrong type ({lower_first(error['msg'])})", f"correct its type{field_description(model, place)}"
        )
    return Mistake(
        "spec.invalid-value", place, said, f"is not acceptable ({lower_first(error['msg'])})", f"correct it{field_description(model, place)}"
    )


BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}


def dotted_name(place: Location) -> str:
    """``tiers.full.psi[3]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place if part != "[key]")
    return text.removeprefix(".") or "the file"


def short_repr(value: Any) -> str:
    """A value short enough for a line."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown name."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"use one of {', '.join(names)}" if names else "remove it"


def field_description(model: type[BaseModel], place: Location) -> str:
    """What the field is for, if its model says so."""
    owner = model_at(model, place[:-1]) if place else None
    field = owner.model_fields.get(str(place[-1])) if owner else None
    return f" ({field.description})" if field and field.description else ""


def field_names_at(model: type[BaseModel], place: Location) -> tuple[str, ...]:
    """The fields that the model at a place knows."""
    owner = model_at(model, place)
    return tuple(owner.model_fields) if owner else ()


def model_at(model: type[BaseModel], place: Location) -> type[BaseModel] | None:
    """The model that a place below ``model`` is read by; None for plain values."""
    annotation: Any = model
    for part in place:
        annotation = _models(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            annotation = field.annotation if field else None
        else:
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0] if get_args(annotation) else None
    annotation = _models(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _models(annotation: Any) -> Any:
    """An annotation without its ``| None``."""
    options = [option for option in get_args(annotation) if option is not type(None)]
    return options[0] if type(None) in get_args(annotation) and options else annotation
