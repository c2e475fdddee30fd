"""A hundred ways to corrupt a record. A *forged* one has a matching digest, so that only its content can give it away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Json = dict[str, Any]
Edit = Callable[[Json], None]
OTHER = "cd" * 32
RERUN = {"status": "rerun", "by": "someone", "date": "2026-01-01", "reason": "agrees"}


class Corruption(NamedTuple):
    """One corruption. ``forged``: the digest is computed anew after the edit."""

    name: str
    edit: Edit
    forged: bool


def resolve(record: Json, parts: list[str]) -> tuple[Any, Any]:
    """The container and the key of the value at ``a/b/0/c``."""
    container: Any = record
    for part in parts[:-1]:
        container = container[int(part)] if isinstance(container, list) else container[part]
    return container, int(parts[-1]) if isinstance(container, list) else parts[-1]


def put(location: str, value: Any) -> Edit:
    """Sets the value at ``a/b/0/c``."""
    return change(location, lambda _: value)


def change(location: str, function: Callable[[Any], Any]) -> Edit:
    """Replaces the value at a location by a function of it."""

    def edit(record: Json) -> None:
        container, key = resolve(record, location.split("/"))
        present = isinstance(container, list) or key in container
        container[key] = function(container[key] if present else None)

    return edit


def drop(location: str) -> Edit:
    def edit(record: Json) -> None:
        container, key = resolve(record, location.split("/"))
        del container[key]

    return edit


def both(*edits: Edit) -> Edit:
    def edit(record: Json) -> None:
        for step in edits:
            step(record)

    return edit


def shifted(location: str, offset: float) -> Edit:
    """Moves a score with its whole interval, so that it looks consistent."""

    def move(score: Json) -> Json:
        return score | {end: score[end] + offset for end in ("value", "low", "high") if score[end] is not None}

    return change(location, move)


def flipped(rate: float) -> float:
    """Another rate."""
    return 0.0 if rate else 1.0


def without(name: str, split: str, arm: str) -> Callable[[list[Json]], list[Json]]:
    """Leaves out a curve."""
    return lambda curves: [curve for curve in curves if (curve["name"], curve["split"], curve.get("arm")) != (name, split, arm)]


def in_curve(name: str, function: Callable[[Any], Any], n_prompts: int | None = None) -> Callable[[list[Json]], list[Json]]:
    """Changes the rates of the first prompts (all by default) in the curve of that name."""

    def edit(curves: list[Json]) -> list[Json]:
        def edited(rows: list[Any]) -> list[Any]:
            n = len(rows) if n_prompts is None else n_prompts
            return function(rows[:n]) + rows[n:]  # type: ignore[no-any-return]

        return [curve | {"per_prompt": edited(curve["per_prompt"])} if curve["name"] == name else curve for curve in curves]

    return edit


def ends(chosen: Callable[[Json], bool], value: float) -> Callable[[list[Json]], list[Json]]:
    """Sets what half of the prompts have at ψ = 1, where images are θ's, in the curves that are chosen."""

    def edit(curves: list[Json]) -> list[Json]:
        def edited(rows: list[Any]) -> list[Any]:
            half = len(rows) // 2
            return [[*row[:-1], value] for row in rows[:half]] + rows[half:]

        return [curve | {"per_prompt": edited(curve["per_prompt"])} if chosen(curve) else curve for curve in curves]

    return edit


def in_prompt_arms(curve: Json) -> bool:
    """Whether it is a presence curve of the forget prompts."""
    return bool(curve["name"] == "presence" and curve["split"] == "forget")


def failed(probe: str, code: str) -> Edit:
    """A probe that failed, with everything that follows from it."""
    return put(f"battery/{probe}", {"levels": ["x"], "scored": ["x"], "error": code})


CLUMSY: dict[str, Edit] = {
    "a better excess": put("scores/excess/value", 0.01),
    "a narrower interval": put("scores/excess/low", 0.65),
    "more prompts than there were": put("scores/excess/n", 100),
    "another note": put("scores/excess/note", "empty arm!"),
    "a kinder verdict": put("verdict/label", "forgets"),
    "a kinder reason": put("verdict/reason", "as gold"),
    "another gold": put("verdict/gold", "planted"),
    "a re-run that nobody made": put("verification/status", "rerun"),
    "a commit that was another": put("code/commit", "e" * 40),
    "a clean tree that was dirty": put("code/dirty", True),
    "another machine": put("environment/device", "cuda"),
    "another batch": put("environment/batch_size", 1),
    "another torch": put("environment/packages/torch", "1.0"),
    "other weights": put("checkpoint/sha256", OTHER),
    "another format": put("checkpoint/format", "lora"),
    "a bigger change of weights": put("checkpoint/components/unet/relative_change", 0.5),
    "another judge": put("judges/concept", OTHER),
    "a control less": drop("controls/control-gold-1"),
    "a rate of the battery": change("battery/relearning/per_prompt/0/3", flipped),
    "a rate of the battery that is not scored": change("battery/relearning/per_prompt/0/1", flipped),
    "a rate of the original under a probe": change("battery/renoising/original/0/1", flipped),
    "a prompt's rate": put("curves/0/per_prompt/0/3", 0.0),
    "a curve's value": put("curves/0/value/3", 0.0),
    "a concept that fell less": put("damage/circle/value", -0.5),
    "an attack's rate": put("attacks/success", {"value": 0.0, "n": 40}),
    "the digest itself": put("digest", OTHER),
    "no digest": put("digest", ""),
    "another submission": put("submission", "uce"),
}
MALFORMED: dict[str, Edit] = {
    "no suite": drop("suite"),
    "no verdict": drop("verdict"),
    "no environment": drop("environment"),
    "no checkpoint": drop("checkpoint"),
    "an unknown field": put("score", 1),
    "an unknown field of a score": put("scores/excess/p", 0.01),
    "an unknown verdict": put("verdict/label", "forgotten"),
    "an unknown status": put("verification/status", "peer_reviewed"),
    "an unknown gold": put("verdict/gold", "hoped-for"),
    "an unknown split": put("curves/0/split", "test"),
    "an unknown arm": put("curves/0/arm", "both"),
    "a value as text": put("scores/excess/value", "low"),
    "a negative n": put("scores/excess/n", -1),
    "half a prompt": put("scores/excess/n", 11.5),
    "scores as a list": put("scores", []),
    "another schema": put("schema_version", 1),
    "a schema to come": put("schema_version", 99),
    "a ratio as text": put("curves/0/psi/0", "zero"),
    "a missing value of a score": drop("scores/excess/value"),
    "a format that is none": put("checkpoint/format", "magic"),
    "cut prompts of no reader": put("truncated_prompts", {"audience": 1}),
    "a probe that failed by a code that is none": failed("relearning", "probe.too-hard"),
    "no record at all": lambda record: record.clear(),
}
FORGED: dict[str, Edit] = {
    **{
        f"{name} moved": shifted(f"scores/{name}", -0.1)
        for name in (
            "excess",
            "excess.prompt",
            "excess.empty",
            "presence.gold",
            "presence.original",
            "psi_star.prompt",
            "psi_star.empty",
            "retain_drop",
            "ccs.forget.resnet18",
            "ccs.forget.mean",
            "ccs.retain.resnet18",
            "crs.signed.forget.resnet18",
            "crs.released.forget.resnet18",
            "crs.released.retain.mean",
            "crs.signed.forget.mean",
            "clip.original",
            "clip.unlearned",
            "kid.original.forget",
        )
    },
    **{
        f"{name} left out": drop(f"scores/{name}")
        for name in (
            "excess",
            "excess.empty",
            "presence",
            "retain_drop",
            "clip.unlearned",
            "ccs.forget.mean",
        )
    },
    "an interval made narrow": both(put("scores/excess/low", 0.6), put("scores/excess/high", 0.7)),
    "an interval made wide": put("scores/excess/high", 2.0),
    "an interval taken away": both(put("scores/excess/low", None), put("scores/excess/high", None)),
    "an interval turned round": both(put("scores/excess/low", 0.9), put("scores/excess/high", 0.1)),
    "a value outside its interval": put("scores/excess/value", 3.0),
    "a value made undefined": put("scores/excess/value", None),
    "a probability above one": put("scores/ccs.forget.resnet18/value", 1.4),
    "an AUC above one": both(put("scores/auc.forget.resnet18/value", 1.2), put("scores/auc.forget.resnet18/high", 1.3)),
    "an AUC that makes it separable no longer": both(
        put("scores/auc.forget.resnet18/low", 0.5), put("scores/auc.forget.resnet18/value", 0.6)
    ),
    "a ψ* beyond one": both(put("scores/psi_star.prompt/value", 1.5), put("scores/psi_star.prompt/high", 1.6)),
    "n of a score": put("scores/presence/n", 500),
    "the arm that ranks": put("scores/excess/note", "no arm"),
    **{
        f"{label} instead": put("verdict/label", label)
        for label in ("forgets", "not retrieved", "intact", "damaged", "inconclusive", "undetermined")
    },
    "another reason": put("verdict/reason", "the maintainers said so"),
    "an exact gold that was none": put("verdict/gold", "planted"),
    "no gold": put("verdict/gold", None),
    "all prompts forgotten": change("curves/0/per_prompt", lambda rows: [[0.0] * (len(row) - 1) + [1.0] for row in rows]),
    "one prompt forgotten": put("curves/0/per_prompt/0/5", 0.0),
    "the empty arm swapped for the prompt arm": change("curves", lambda curves: [curves[0], {**curves[0], "arm": "empty"}, *curves[2:]]),
    "a curve's value alone": change("curves/0/value", lambda values: [*values[:3], values[3] / 2, *values[4:]]),
    "a curve's interval": change("curves/0/low", lambda values: [value if value is None else value / 2 for value in values]),
    "fewer prompts in a curve": change("curves/0/per_prompt", lambda rows: rows[:-1]),
    "n of a curve": put("curves/0/n", 99),
    "other ratios": put("curves/0/psi/1", 0.15),
    "ratios out of order": change("curves/0/psi", lambda psi: psi[::-1]),
    "steps out of order": change("curves/0/k", lambda k: k[::-1]),
    "a column cut short": change("curves/0/value", lambda values: values[:-1]),
    "a rate above one": put("curves/0/per_prompt/0/0", 1.5),
    "a curve twice": change("curves", lambda curves: [*curves, curves[0]]),
    "no presence curve": drop("curves/0"),
    "no curve of retained concepts": drop("curves/2"),
    "no curve of retained concepts continued without a prompt": change("curves", without("presence", "retain", "empty")),
    "no curve of the original continued without a prompt": change("curves", without("presence.original", "retain", "empty")),
    "a curve of the original": change("curves", in_curve("presence.original", lambda rows: [[1.0, *row[1:]] for row in rows], 1)),
    "an original that retains less": change("curves", in_curve("presence.original", lambda rows: [[0.0, 0.0, row[-1]] for row in rows])),
    "an original unlike itself at ψ = 1": change("curves", in_curve("presence.original", lambda rows: [[*row[:-1], 0.0] for row in rows])),
    "a scored rate of the battery": change("battery/relearning/per_prompt/1/3", flipped),
    "all rates of a probe": change("battery/renoising/per_prompt", lambda rows: [[0.0] * len(row) for row in rows]),
    "a rate of the battery above one": put("battery/relearning/per_prompt/0/0", 1.5),
    "a rate of the original below zero": put("battery/relearning/original/0/0", -0.5),
    "a rate of a third of two images": put("battery/relearning/per_prompt/0/1", 1 / 3),
    "a rate of half an image": put("battery/renoising/original/0/0", 0.5),
    "a prompt less under a probe": change("battery/relearning/per_prompt", lambda rows: rows[:-1]),
    "a prompt less of both models": both(
        change("battery/relearning/per_prompt", lambda rows: rows[:-1]), change("battery/relearning/original", lambda rows: rows[:-1])
    ),
    "a level less in a row": change("battery/relearning/per_prompt/0", lambda row: row[:-1]),
    "other levels": put("battery/relearning/levels/3", "4 steps"),
    "an easier level scored": put("battery/relearning/scored", ["0 steps"]),
    "no level scored": put("battery/relearning/scored", []),
    "a level scored that was not measured": put("battery/relearning/scored", ["400 steps"]),
    "more images than there were": put("battery/relearning/images_per_prompt", 4),
    "a cheaper probe": put("battery/relearning/forward_passes", 1),
    "fewer gradients": put("battery/relearning/backward_passes", 0),
    "a probe that failed after all": put("battery/relearning/error", "probe.diverged"),
    "a probe that failed without rates": both(
        put("battery/relearning/error", "probe.diverged"),
        put("battery/relearning/per_prompt", []),
        put("battery/relearning/original", []),
    ),
    "rates that were lost": both(put("battery/relearning/per_prompt", []), put("battery/relearning/original", [])),
    "a probe left out": drop("battery/renoising"),
    "no battery": put("battery", {}),
    "a probe that the tier lacks": change("battery", lambda battery: battery | {"weight-edits": battery["renoising"]}),
    "an excess of a probe": shifted("scores/excess.relearning", -0.1),
    "an excess of a probe left out": drop("scores/excess.renoising"),
    "a probe that proves it less": put("verdict/by", []),
    "a probe that it does not rest on": put("verdict/probes", ["prompt", "empty"]),
    "a probe that was not measured": put("verdict/unmeasured", {"relearning": "probe.diverged"}),
    "a concept that fell": shifted("damage/circle", 0.4),
    "a concept left out": drop("damage/circle"),
    "a control's digest": put("controls/control-gold-1", OTHER),
    "a control that does not exist": put("controls/control-gold-9", OTHER),
    "no controls": put("controls", {}),
    "another task": put("task", "object/moon"),
    "another suite": put("suite", "other"),
    "a version to come": put("suite_version", 7),
    "no version": put("suite_version", 0),
    "another tier": put("tier", "quick"),
    "another protocol": put("protocol", "loose"),
    "another name": put("submission", "someone-else"),
    "specs of the task": put("checkpoint/task_digest", OTHER),
    "specs of the suite": put("checkpoint/suite_digest", OTHER),
    "specs of the submission": put("checkpoint/submission_digest", OTHER),
    "a digest that is none": put("checkpoint/task_digest", "none"),
    "another concept judge": put("judges/concept", OTHER),
    "no judges": put("judges", {}),
    "a commit that is none": put("code/commit", "main"),
    "a re-run by nobody": put("verification", {"status": "rerun", "by": "", "date": "2026-01-01", "reason": "agrees"}),
    "a re-run without a date": put("verification", {"status": "rerun", "by": "x", "date": "", "reason": "agrees"}),
    "a re-run on no day": put("verification", {"status": "rerun", "by": "x", "date": "yesterday", "reason": "agrees"}),
    "a re-run of a dirty tree": both(put("verification", RERUN), put("code/dirty", True)),
    "a re-run of no commit": both(put("verification", RERUN), put("code/commit", None)),
    "a re-run of no weights": both(put("verification", RERUN), put("checkpoint/sha256", None)),
    "a re-run of other weights": both(put("verification", RERUN), put("checkpoint/sha256", OTHER)),
    "a dispute without a reason": put("verification", {"status": "disputed", "by": "x", "date": "2026-01-01", "reason": ""}),
    "weights without a digest": put("checkpoint/sha256", None),
    "weights that changed nothing": put("checkpoint/components", {}),
    "weights whose changes are none": put("checkpoint/components/unet/relative_change", 0.0),
    "the original's weights": put("checkpoint/format", "original"),
    "weights as a surrogate's": put("checkpoint/format", "standalone"),
    "an attack that was never made": put("attacks/success", {"value": 0.0, "n": 40}),
    "damage to a concept that is none of the task's": change("damage", lambda damage: damage | {"moon": damage["circle"]}),
    "a score of nothing": change("scores", lambda scores: scores | {"fid": {"value": 0.1, "n": 9}}),
    "a score of an extractor that was not used": change("scores", lambda scores: scores | {"auc.forget.vgg16": scores["excess"]}),
    "another first seed": put("seeds/evaluation/start", 7),
    "more seeds": put("seeds/evaluation/count", 9),
    "no seeds": put("seeds", None),
    "no date": put("date", None),
    "a date to come": put("date", "2099-01-01T00:00:00Z"),
    "a date that is none": put("date", "2026-13-01T00:00:00Z"),
    "more cut prompts than prompts": put("truncated_prompts", {"clip": 999}),
    "fewer cut prompts than other rows": put("truncated_prompts", {"clip": 1}),
    "a probe that failed for this row alone": failed("renoising", "probe.too-few-examples"),
    "an original that shows the concept less often": change("curves", ends(in_prompt_arms, 0.0)),
    "an original that CLIP likes more": change("curves", ends(lambda curve: curve["name"] == "clip", 90.0)),
    "another original under a probe": change("battery/renoising/original", lambda rows: [[0.0] * len(row) for row in rows]),
    "time that ran backwards": put("timing/forward_passes", -5),
    "more tensors changed than matched": put("checkpoint/components/unet/changed", 99),
}
CORRUPTIONS = (
    *(Corruption(name, edit, False) for name, edit in (CLUMSY | MALFORMED).items()),
    *(Corruption(f"forged: {name}", edit, True) for name, edit in FORGED.items()),
)
