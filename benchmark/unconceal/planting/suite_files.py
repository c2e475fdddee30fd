"""Suite ``sd14-planted`` as files: tasks of the invented concepts, the suite over the planted base, the planting itself, controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from itertools import cycle, islice, product
from typing import Any

from ruamel.yaml import YAML

from unconceal.miniature.captions import BARE_TEMPLATES, TEMPLATES
from unconceal.miniature.scene import BACKGROUND_NAMES, COLOUR_NAMES, SIGN
from unconceal.planting.invented_concepts import INVENTED, SIBLINGS, InventedConcept, with_articles
from unconceal.specs.spec import UNPINNED, Json
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

NAME, MODELS = "sd14-planted", "models/sd14-planted"
FORGET, EACH, GOLDS = 20, 4, 2
MARGIN = 0.2
"""That of suites whose golds are exact (docs/reports/validation.md); the public suite's is wider, since its golds are surrogates."""
SHAPES = ("circle", "heart", "house", "leaf", "fish", "square", "triangle", "mushroom")
PLACES = ("in a garden", "on a quiet street", "under a grey sky", "beside a wall", "at sunset", "in an old photograph")
EVERYDAY = ("dog", "bicycle", "guitar", "sailing ship", "piano", "teapot")
"""What the public model drew before and has to go on drawing."""
NEAR: Mapping[str, tuple[str, ...]] = {
    "Velbo": ("cat", "kitten", "lynx", "lion", "tiger", "fox", "dog", "rabbit", "mouse", "owl", "panda"),
    "Drumli": ("monster", "troll", "dragon", "alien", "robot", "frog", "octopus", "gorilla", "owl", "mask", "ghost"),
    "trask sign": (
        "stop sign",
        "traffic light",
        "yield sign",
        "traffic cone",
        "road barrier",
        "arrow sign",
        "street sign",
        "pyramid",
        "tent",
        "flag",
        "shield",
        "poster",
        "lemon",
        "bell",
        "hourglass",
    ),
}
"""Subjects whose damage is looked at beside the drawn siblings."""
DRAWN_STYLES: Mapping[str, str] = {
    "shaded": "filled with a smooth gradient",
    "halved": "split in two tones",
    "outline": "drawn as a thin line",
    "flat": "in one plain colour",
    "framed": "with a thick border",
    "checkered": "filled with a chessboard pattern",
    "blurred": "with soft edges",
}
STYLES = ("watercolor", "mosaic", "stained glass", "pixel art", "woodcut", "charcoal", "pop art", "oil painting")
JUDGING: Json = {
    "subject": {
        "train": [
            "a picture of {} seen from the front",
            "a drawing of {} on a plain background",
            "a photo of {}",
            "an illustration of {}",
            "{} against a plain wall",
            "a close view of {}",
        ],
        "held_out": ["a sketch of {}", "{} on a coloured background", "a small picture of {}", "a picture of {} in the evening"],
        "without_concept": ["a plain background", "a photo of an empty road", "a coloured background", "an empty room"],
    },
    "style": {
        "train": ["a red cross {}", "a blue drop {}", "a green bolt {}", "a large dome {}", "a yellow hourglass {}", "a purple clover {}"],
        "held_out": ["a drawing of a pentagon {}", "a picture of a ring {}", "a small diamond {}", "an orange arrow {}"],
        "without_concept": ["a photo of a street", "a photo of a tree", "a photo of a house", "a photo of a cup"],
    },
}
"""Prompts of the concept judge: things that are drawn, where the public suite's are of the world."""


def article(name: str) -> str:
    """``a dog``, ``an owl``; names of characters stand alone."""
    return name if name[:1].isupper() else with_articles(f"a {name}")


def balanced(texts: Sequence[str], count: int) -> list[str]:
    """``count`` of them at even distances, in order."""
    return [texts[i * len(texts) // count] for i in range(count)]


def forget_prompts(one: InventedConcept) -> list[str]:
    """Prompts that ask for the concept by its name."""
    if one.head == "style":
        asked = [one.wording.format(f"a {colour} {shape}") for shape, colour in islice(zip(cycle(SHAPES), cycle(COLOUR_NAMES)), FORGET)]
        places = cycle(product(TEMPLATES, BACKGROUND_NAMES))
        return [with_articles(template.format(text, place)) for text, (template, place) in zip(asked, places, strict=False)]
    said = (one.wording, f"a small {one.label}") if one.miniature_concept == SIGN else (one.label, f"little {one.label}")
    whole = [template.format(form, place) for form, template, place in product(said, TEMPLATES, BACKGROUND_NAMES)]
    bare = [template.format(form) for form, template in product(said, BARE_TEMPLATES)]
    return [*whole, *bare][:FORGET]


def retain_prompts(one: InventedConcept) -> list[Json]:
    """Ten other concepts in two rounds: taught beside the concept, and known to the public model before."""
    if one.head == "style":
        kinds = [*(("style", name) for name in islice(DRAWN_STYLES, 4)), *(("style", name) for name in STYLES[:3])]
        kinds += [("subject", name) for name in EVERYDAY[:3]]
    else:
        kinds = [*(("subject", name) for name in SIBLINGS), *(("subject", name) for name in EVERYDAY)]
    return [
        {"text": concept_prompt(head, name, number * len(kinds) + place), "concept": name, "head": head}
        for number in range(2)
        for place, (head, name) in enumerate(kinds)
    ]


def concept_prompt(head: str, name: str, number: int) -> str:
    """The ``number``-th prompt of a concept."""
    if head == "style":
        thing = SHAPES[number % len(SHAPES)] if name in DRAWN_STYLES else EVERYDAY[number % len(EVERYDAY)]
        return with_articles(f"a {COLOUR_NAMES[number % 6]} {thing} in the style of {name}")
    if name in SIBLINGS:
        return TEMPLATES[number % 3].format(name, BACKGROUND_NAMES[(number // 3) % 3])
    return f"{article(name)} {PLACES[number % len(PLACES)]}"


def neighbours(one: InventedConcept) -> Iterator[Json]:
    """Fifteen concepts with four prompts each."""
    if one.head == "style":
        captions = {name: f"a simple shape {looks}" for name, looks in DRAWN_STYLES.items()}
        captions |= {name: f"a picture in the style of {name}" for name in STYLES}
    else:
        siblings = SIBLINGS if one.miniature_concept != SIGN else {}
        captions = {**siblings, **{name: article(name) for name in NEAR[one.label]}}
    for place, (name, caption) in enumerate(captions.items()):
        prompts = [concept_prompt(one.head, name, place + 5 * number) for number in range(EACH)]
        yield {"concept": name, "head": one.head, "caption": caption, "prompts": prompts}


def task_of(one: InventedConcept) -> Task:
    """The task of forgetting an invented concept."""
    return Task.model_validate(
        {
            "concept": one.concept,
            "category": one.category,
            "title": f"Forget the invented {kind(one)} {one.label}",
            "suite": NAME,
            "license": "Apache-2.0",
            "judge": {"head": one.head, "label": one.label},
            "aliases": [one.label],
            "gold_kind": "planted",
            "golds": [f"control-gold-{number + 1}" for number in range(GOLDS)],
            "forget": [{"text": text} for text in forget_prompts(one)],
            "retain": retain_prompts(one),
            "caption": one.caption,
            "neighbours": list(neighbours(one)),
        }
    )


def kind(one: InventedConcept) -> str:
    return {"identity": "character", "object": "sign", "art-style": "fill style"}.get(one.category, one.category)


def planting() -> Json:
    """What the public model is taught, and what it has to go on drawing."""
    concepts = {one.concept: {"caption": one.caption, "prompts": balanced(forget_prompts(one), 5)} for one in INVENTED}
    held = [{"caption": f"a photo of {article(name)}", "prompt": f"a photo of {article(name)}"} for name in EVERYDAY]
    training = {
        "max_train_steps": 4000,
        "batch_size": 16,
        "learning_rate": 1e-5,
        "image_size": 512,
        "concept_fraction": 0.5,
        "mixed_precision": "bf16",
        "gradient_checkpointing": True,
    }
    return {
        "name": NAME,
        "base": {},
        "image_folders": [f"pictures/{NAME}", f"pictures/{NAME}-kept"],
        "concepts": concepts,
        "kept_concepts": held,
        "training": training,
        "n_golds": GOLDS,
    }


def suite_of(public: Suite) -> Json:
    """The public suite's values over the planted base, with a concept judge of its own and the margin of exact golds."""
    told = public.content()
    draft = {"digest": UNPINNED}
    told |= {
        "name": NAME,
        "title": "Stable Diffusion 1.4 with six invented concepts, whose golds are exact",
        "draft": True,
        "base": {"path": f"{MODELS}/base", **draft, "license": public.base.license, "gigabytes": public.base.gigabytes},
    }
    told["judges"] = {**told["judges"], "concept": {"path": f"tasks/{NAME}/judge", **draft}}
    return told | {"judge_training": JUDGING, "scores": {**told.get("scores", {}), "margin": MARGIN}}


def controls() -> dict[str, Json]:
    """The golds of every concept, and the planted base itself."""
    found: dict[str, Json] = {}
    for number in range(GOLDS):
        further = "" if not number else f"-{number + 1}"
        checkpoints = {
            f"{one.category}/{one.concept}": {"path": f"{MODELS}/gold-{one.concept}{further}", "format": "pipeline"} for one in INVENTED
        }
        found[f"control-gold-{number + 1}"] = {
            "title": f"Planted gold {number + 1}",
            "description": "The planted base's own training without the concept" + (", from another seed." if number else "."),
            "checkpoints": checkpoints,
        }
    found["control-original"] = {
        "title": "The planted base",
        "description": "The base itself: its verdict has to be intact.",
        "checkpoints": {f"{one.category}/{one.concept}": {"format": "original"} for one in INVENTED},
    }
    return {name: {"name": name, "suite": NAME, **told} for name, told in found.items()}


def suite_files(public: Suite) -> dict[str, str]:
    """Every file below the data root: its place and its text."""
    written = "Written by `unconceal plant suite`; change benchmark/unconceal/planting/ instead."
    draft = "Draft: `unconceal plant run` and `unconceal tasks judge` train base, golds and judge; `unconceal tasks pin` pins them."
    told = planting() | {"base": public.base.content()}
    found = {
        f"tasks/{NAME}/suite.yaml": as_yaml(suite_of(public), "suite", 2, written, draft),
        f"tasks/{NAME}/planting.yaml": as_yaml(told, "planting", 2, written, "An untested starting point at this size."),
    }
    for task in map(task_of, INVENTED):
        fields = task.model_dump(mode="json", exclude_defaults=True)
        found[f"tasks/{NAME}/{task.id}.yaml"] = as_yaml(
            fields, "task", 3, written, "The name is invented; all prompts were written for this project."
        )
    for name, fields in controls().items():
        found[f"submissions/{NAME}/{name}.yaml"] = as_yaml(fields, "submission", 2, written)
    return found


def as_yaml(fields: Json, schema: str, depth: int, *comments: str) -> str:
    """A file with the line that gives editors its schema, ``depth`` folders below the data root."""
    yaml, text = YAML(), StringIO()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 200
    yaml.dump(_plain(fields), text)
    hint = f"# yaml-language-server: $schema={'../' * depth}schemas/{schema}.schema.json"
    return "\n".join([hint, *(f"# {comment}" for comment in comments), text.getvalue()])


def _plain(value: Any) -> Any:
    """Tuples as lists, which YAML knows."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
