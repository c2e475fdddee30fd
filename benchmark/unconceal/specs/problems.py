"""Problems of a file, one line each: file, line, value, consequence, remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from unconceal.errors import CheckFailed, error_line
from unconceal.specs.spec import Mistake

Location = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One problem of a file. ``line`` counts from 1; None for the whole file."""

    code: str = field(compare=False)
    file: Path
    line: int | None
    value: str
    consequence: str
    remedy: str

    def __str__(self) -> str:
        file = self.file.relative_to(Path.cwd()) if self.file.is_relative_to(Path.cwd()) else self.file
        prefix = str(file) if self.line is None else f"{file}:{self.line}"
        return error_line(f"{prefix}: {self.value}", self.consequence, self.remedy)


class SpecProblems(CheckFailed):
    """All problems of one or more files, ordered by file and line. ``str()`` has one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.file, problem.line or 0, problem.value)))
        first = self.problems[0]
        super().__init__(first.code, first.value, first.consequence, first.remedy)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{problem} [{problem.code}]" for problem in self.problems)

    def __reduce__(self) -> tuple[type[SpecProblems], tuple[tuple[Problem, ...]]]:
        return SpecProblems, (self.problems,)


MAX_MISTAKES = 200
"""Mistakes of one file that are looked at: a remedy is searched for each."""


def mistakes_from_errors(model: type[BaseModel], errors: Iterable[ErrorDetails]) -> Iterator[Mistake]:
    """Translate pydantic's errors; the errors of :meth:`Spec.mistakes` are unpacked one by one."""
    for error in islice(errors, MAX_MISTAKES):
        location: Location = tuple(error["loc"])
        context: Mapping[str, Any] = error.get("ctx", {})
        if error["type"] == "mistakes":
            yield from (mistake._replace(location=location + mistake.location) for mistake in context["mistakes"])
        else:
            yield _mistake(model, location, error, context)


def old_format_mistake(model: type[BaseModel], errors: Iterable[ErrorDetails]) -> Mistake | None:
    """The one mistake that a file of release 0.1.0 is reported with; None if no error names a field that its model had then."""
    locations = (tuple(error["loc"]) for error in errors if error["type"] == "extra_forbidden")
    location = next((location for location in locations if _is_old_field(model, location)), None)
    if location is None:
        return None
    consequence = f"belongs to the file format of release {OLD_RELEASE}, which this release does not read"
    remedy = f"read it with release {OLD_RELEASE} (`pip install unconceal=={OLD_RELEASE}`), or rename its fields by the changelog of 0.2.0"
    return Mistake("spec.old-format", location, dotted_name(location), consequence, remedy)


def _is_old_field(model: type[BaseModel], location: Location) -> bool:
    owner = model_at(model, location[:-1])
    return owner is not None and any(location[-1] in OLD_FIELDS.get(ancestor.__name__, ()) for ancestor in owner.__mro__)


OLD_RELEASE = "0.1.0"
OLD_FIELDS: Mapping[str, frozenset[str]] = {
    model: frozenset(fields.split())
    for model, fields in {
        "Estimate": "spread",
        "FineTune": "batch negatives rate",
        "JudgeTraining": "least on",
        "PaperProtocol": "batch guidance held_out negatives pictures prompts rate retain_prompts steps",
        "Pinned": "licence",
        "Planting": "golds held pictures",
        "PlantingGates": "drawn fall guidance steps",
        "PlantingTraining": "batch checkpointing keep_every min_snr optimiser precision rate share silence size steps text_encoder warm_up",
        "Probing": "gate least least_kid prompts resamples splits",
        "ProbeSet": "named_attacks",
        "Prompt": "licence",
        "PromptSet": "count licence",
        "RankedNeighbour": "likeness named",
        "RowFilter": "at_least",
        "SampleCounts": "asked",
        "Sampler": "guidance size steps train_steps",
        "Scoring": "bootstrap least_prompts psi_star_max retain_fall retain_psi_max separable_auc",
        "Source": "where",
        "Submission": "licence",
        "Suite": "judging",
        "Task": "licence",
        "Templates": "without",
        "Tier": "prompts retain_prompts",
    }.items()
}
"""Fields of each model that release 0.1.0 had and 0.2.0 renamed."""


def _mistake(model: type[BaseModel], location: Location, error: ErrorDetails, context: Mapping[str, Any]) -> Mistake:
    kind, name = error["type"], dotted_name(location)
    if kind == "missing":
        consequence = "is missing, so the file says too little to be used"
        return Mistake("spec.missing-field", location, name, consequence, f"add it{field_description(model, location)}")
    if kind == "extra_forbidden":
        remedy = suggestion(str(location[-1]), field_names_at(model, location[:-1]))
        return Mistake("spec.unknown-field", location, name, "is no known field, so nothing would read it", remedy)
    code, consequence, remedy = _bad_value(kind, error["msg"], "[key]" in location, context)
    described = "" if code in ("spec.out-of-range", "spec.unknown-value") else field_description(model, location)
    return Mistake(code, location, f"{name} = {short_repr(error['input'])}", consequence, remedy + described)


def _bad_value(kind: str, message: str, is_key: bool, context: Mapping[str, Any]) -> tuple[str, str, str]:
    """Code, consequence and remedy of a value that its field does not accept."""
    if kind in BOUNDS:
        relation, bound = BOUNDS[kind]
        return "spec.out-of-range", f"is out of range, it must be {relation} {context[bound]}", "choose a value within the range"
    if kind == "literal_error" or is_key:
        return "spec.unknown-value", "is not one of the allowed values", f"use {context.get('expected', 'another name')}"
    message = message[:1].lower() + message[1:]
    if kind.endswith(("_type", "_parsing", "_from_float")):
        return "spec.wrong-type", f"has the wrong type ({message})", "correct its type"
    return "spec.invalid-value", f"is not acceptable ({message})", "correct it"


BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}


def dotted_name(location: Location) -> str:
    """A location as text: ``tiers.full.psi[3]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != "[key]")
    return text.removeprefix(".") or "the file"


def short_repr(value: Any) -> str:
    """A value, shortened to fit one line."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


MAX_NAME = 100
"""Letters of a name that others are compared with."""


def suggestion(name: str, known_names: Iterable[str]) -> str:
    """The remedy for an unknown name: the closest known name, or all of them."""
    names = list(known_names)
    close = get_close_matches(name[:MAX_NAME], names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"use one of {', '.join(names)}" if names else "remove it"


def field_description(model: type[BaseModel], location: Location) -> str:
    """Description of a field in parentheses, or an empty string."""
    owner = model_at(model, location[:-1]) if location else None
    field = owner.model_fields.get(str(location[-1])) if owner else None
    return f" ({field.description})" if field and field.description else ""


def field_names_at(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """Fields of the model at a location."""
    owner = model_at(model, location)
    return tuple(owner.model_fields) if owner else ()


def model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The model class at a location below ``model``; None for plain values."""
    annotation: Any = model
    for part in location:
        annotation = _without_none(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            annotation = field.annotation if field else None
        else:
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0] if get_args(annotation) else None
    annotation = _without_none(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _without_none(annotation: Any) -> Any:
    """An annotation without its ``| None``."""
    options = [option for option in get_args(annotation) if option is not type(None)]
    return options[0] if type(None) in get_args(annotation) and options else annotation
