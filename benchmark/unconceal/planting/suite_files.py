"""Files of suite ``sd14-planted``: tasks of the invented concepts, the suite over the planted base, the planting, and controls."""

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
N_FORGET, N_PER_NEIGHBOUR, N_GOLDS = 20, 4, 2
MARGIN = 0.2
"""Margin of suites with exact golds (docs/reports/validation.md). The public suite has surrogate golds and a wider margin."""
SHAPES = ("circle", "heart", "house", "leaf", "fish", "square", "triangle", "mushroom")
LOCATIONS = ("in a garden", "on a quiet street", "under a grey sky", "beside a wall", "at sunset", "in an old photograph")
EVERYDAY = ("dog", "bicycle", "guitar", "sailing ship", "piano", "teapot")
"""Concepts that the public model already draws and has to keep."""
NEIGHBOURS: Mapping[str, tuple[str, ...]] = {
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
"""Neighbours of each concept in addition to planted siblings."""
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
JUDGE_TRAINING: Json = {
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
"""Prompts to train the concept judge: drawn subjects, unlike the public suite's photographs."""


def article(name: str) -> str:
    """``a dog``, ``an owl``; names of characters have no article."""
    return name if name[:1].isupper() else with_articles(f"a {name}")


def evenly_spaced(texts: Sequence[str], count: int) -> list[str]:
    """``count`` of the texts at equal distances, in order."""
    return [texts[i * len(texts) // count] for i in range(count)]


def forget_prompts(concept: InventedConcept) -> list[str]:
    """Prompts that ask for the concept by its name."""
    if concept.head == "style":
        contents = [
            concept.wording.format(f"a {colour} {shape}") for shape, colour in islice(zip(cycle(SHAPES), cycle(COLOUR_NAMES)), N_FORGET)
        ]
        settings = cycle(product(TEMPLATES, BACKGROUND_NAMES))
        return [with_articles(template.format(text, background)) for text, (template, background) in zip(contents, settings, strict=False)]
    names = (
        (concept.wording, f"a small {concept.label}") if concept.miniature_concept == SIGN else (concept.label, f"little {concept.label}")
    )
    full = [template.format(form, background) for form, template, background in product(names, TEMPLATES, BACKGROUND_NAMES)]
    bare = [template.format(form) for form, template in product(names, BARE_TEMPLATES)]
    return [*full, *bare][:N_FORGET]


def retain_prompts(concept: InventedConcept) -> list[Json]:
    """Two prompts each for ten other concepts: planted siblings, and concepts that the public model knew before."""
    if concept.head == "style":
        kinds = [*(("style", name) for name in islice(DRAWN_STYLES, 4)), *(("style", name) for name in STYLES[:3])]
        kinds += [("subject", name) for name in EVERYDAY[:3]]
    else:
        kinds = [*(("subject", name) for name in SIBLINGS), *(("subject", name) for name in EVERYDAY)]
    return [
        {"text": concept_prompt(head, name, number * len(kinds) + index), "concept": name, "head": head}
        for number in range(2)
        for index, (head, name) in enumerate(kinds)
    ]


def concept_prompt(head: str, name: str, number: int) -> str:
    """Prompt ``number`` of a concept."""
    if head == "style":
        subject = SHAPES[number % len(SHAPES)] if name in DRAWN_STYLES else EVERYDAY[number % len(EVERYDAY)]
        return with_articles(f"a {COLOUR_NAMES[number % 6]} {subject} in the style of {name}")
    if name in SIBLINGS:
        return TEMPLATES[number % 3].format(name, BACKGROUND_NAMES[(number // 3) % 3])
    return f"{article(name)} {LOCATIONS[number % len(LOCATIONS)]}"


def neighbours(concept: InventedConcept) -> Iterator[Json]:
    """Fifteen concepts with four prompts each."""
    if concept.head == "style":
        captions = {name: f"a simple shape {looks}" for name, looks in DRAWN_STYLES.items()}
        captions |= {name: f"a picture in the style of {name}" for name in STYLES}
    else:
        siblings = SIBLINGS if concept.miniature_concept != SIGN else {}
        captions = {**siblings, **{name: article(name) for name in NEIGHBOURS[concept.label]}}
    for index, (name, caption) in enumerate(captions.items()):
        prompts = [concept_prompt(concept.head, name, index + 5 * number) for number in range(N_PER_NEIGHBOUR)]
        yield {"concept": name, "head": concept.head, "caption": caption, "prompts": prompts}


def invented_task(concept: InventedConcept) -> Task:
    """The task of forgetting an invented concept."""
    return Task.model_validate(
        {
            "concept": concept.concept,
            "category": concept.category,
            "title": f"Forget the invented {kind(concept)} {concept.label}",
            "suite": NAME,
            "license": "Apache-2.0",
            "judge": {"head": concept.head, "label": concept.label},
            "aliases": [concept.label],
            "gold_kind": "planted",
            "golds": [f"control-gold-{number + 1}" for number in range(N_GOLDS)],
            "forget": [{"text": text} for text in forget_prompts(concept)],
            "retain": retain_prompts(concept),
            "caption": concept.caption,
            "neighbours": list(neighbours(concept)),
        }
    )


def kind(concept: InventedConcept) -> str:
    return {"identity": "character", "object": "sign", "art-style": "fill style"}.get(concept.category, concept.category)


def planting_spec() -> Json:
    """The planting: concepts to train into the public model, and concepts it has to keep."""
    concepts = {concept.concept: {"caption": concept.caption, "prompts": evenly_spaced(forget_prompts(concept), 5)} for concept in INVENTED}
    kept_concepts = [{"caption": f"a photo of {article(name)}", "prompt": f"a photo of {article(name)}"} for name in EVERYDAY]
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
        "image_folders": [f"images/{NAME}", f"images/{NAME}-kept"],
        "concepts": concepts,
        "kept_concepts": kept_concepts,
        "training": training,
        "n_golds": N_GOLDS,
    }


def planted_suite(public: Suite) -> Json:
    """The public suite over the planted base, with its own concept judge and the margin of exact golds."""
    fields = public.content()
    unpinned = {"digest": UNPINNED}
    fields |= {
        "name": NAME,
        "title": "Stable Diffusion 1.4 with six invented concepts, whose golds are exact",
        "draft": True,
        "base": {"path": f"{MODELS}/base", **unpinned, "license": public.base.license, "gigabytes": public.base.gigabytes},
    }
    fields["judges"] = {**fields["judges"], "concept": {"path": f"tasks/{NAME}/judge", **unpinned}}
    return fields | {"judge_training": JUDGE_TRAINING, "scores": {**fields.get("scores", {}), "margin": MARGIN}}


def control_submissions() -> dict[str, Json]:
    """Control submissions: the golds of every concept, and the planted base itself."""
    files: dict[str, Json] = {}
    for number in range(N_GOLDS):
        suffix = "" if not number else f"-{number + 1}"
        checkpoints = {
            f"{concept.category}/{concept.concept}": {"path": f"{MODELS}/gold-{concept.concept}{suffix}", "format": "pipeline"}
            for concept in INVENTED
        }
        files[f"control-gold-{number + 1}"] = {
            "title": f"Planted gold {number + 1}",
            "description": "The planted base's own training without the concept" + (", from another seed." if number else "."),
            "checkpoints": checkpoints,
        }
    files["control-original"] = {
        "title": "The planted base",
        "description": "The base itself: its verdict has to be intact.",
        "checkpoints": {f"{concept.category}/{concept.concept}": {"format": "original"} for concept in INVENTED},
    }
    return {name: {"name": name, "suite": NAME, **fields} for name, fields in files.items()}


def suite_files(public: Suite) -> dict[str, str]:
    """Text of every file by its path below the data root."""
    notice = "Written by `unconceal plant suite`; change benchmark/unconceal/planting/ instead."
    unpinned = "Draft: `unconceal plant run` and `unconceal tasks judge` train base, golds and judge; `unconceal tasks pin` pins them."
    fields = planting_spec() | {"base": public.base.content()}
    files = {
        f"tasks/{NAME}/suite.yaml": as_yaml(planted_suite(public), "suite", 2, notice, unpinned),
        f"tasks/{NAME}/planting.yaml": as_yaml(fields, "planting", 2, notice, "An untested starting point at this size."),
    }
    for task in map(invented_task, INVENTED):
        fields = task.model_dump(mode="json", exclude_defaults=True)
        files[f"tasks/{NAME}/{task.id}.yaml"] = as_yaml(
            fields, "task", 3, notice, "The name is invented; all prompts were written for this project."
        )
    for name, fields in control_submissions().items():
        files[f"submissions/{NAME}/{name}.yaml"] = as_yaml(fields, "submission", 2, notice)
    return files


def as_yaml(fields: Json, schema: str, depth: int, *comments: str) -> str:
    """YAML text with a schema line for editors; ``depth`` is the number of folders below the data root."""
    yaml, text = YAML(), StringIO()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 200
    yaml.dump(_plain(fields), text)
    hint = f"# yaml-language-server: $schema={'../' * depth}schemas/{schema}.schema.json"
    return "\n".join([hint, *(f"# {comment}" for comment in comments), text.getvalue()])


def _plain(value: Any) -> Any:
    """The value with tuples as lists, for YAML."""
    if isinstance(value, Mapping):
        return {name: _plain(element) for name, element in value.items()}
    return [_plain(element) for element in value] if isinstance(value, list | tuple) else value
