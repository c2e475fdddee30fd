"""The miniature's tasks: what is asked of a concept, and of others that must go on working, in the world's own words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import cycle, product
from typing import Any, NamedTuple

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from unconceal_lab.build.recipe import GOLDS, file_stem
from unconceal.miniature.captions import BARE_TEMPLATES, TEMPLATES, phrase, wordings
from unconceal.miniature.scene import (
    AMBIGUOUS,
    BACKGROUND_NAMES,
    CHARACTER_NAMES,
    COLOUR_NAMES,
    HELD_OUT,
    SHAPE_NAMES,
    STYLE_NAMES,
    TARGETS,
    Scene,
)
from unconceal.specs.task import Task

FORGET, RETAIN_EACH, NEIGHBOUR_EACH = 36, 2, 6
"""Prompts that ask for the concept, prompts for each concept that must go on working, and prompts that show each neighbour."""
UNASKED = {*TARGETS, *HELD_OUT, *AMBIGUOUS}
SHAPES, STYLES, CHARACTERS = ([name for name in names if name not in UNASKED] for names in (SHAPE_NAMES, STYLE_NAMES, CHARACTER_NAMES))
"""What prompts may show beside the concept: nothing that some task forgets, so that a gold differs in the concept alone."""
RETAINED = {"object": (6, 2, 2), "art-style": (3, 5, 2), "identity": (4, 2, 4), "nsfw": (5, 2, 3)}
"""Shapes, styles and characters that must go on working: the concept's own kind most of all."""
SEED, NEIGHBOUR_SEED = 77, 78


class Asked(NamedTuple):
    """A prompt and what it asks for."""

    text: str
    concept: str
    head: str


def task_of(concept: str, category: str) -> Task:
    """The task of forgetting a concept; what it asks depends on the concept alone."""
    rng = np.random.default_rng([SEED, *concept.encode()])
    forget = [{"text": text} for text in forgetting(concept, rng)]
    retain = [asked._asdict() for asked in retaining(concept, category, rng)]
    told: dict[str, Any] = {
        "concept": file_stem(concept),
        "category": category,
        "title": f"Forget {described(concept)}",
        "suite": "miniature",
        "licence": "Apache-2.0",
        "judge": {"head": head_of(concept), "label": concept},
        "aliases": [words_of(form) for form in wordings(concept) if words_of(form) != concept],
        "gold_kind": "trained-without",
        "golds": [f"control-gold-{number}" for number in GOLDS],
        "forget": forget,
        "retain": retain,
        "caption": captioned(concept),
        "neighbours": [{**depicted(name), "prompts": showing(name)} for name in (*SHAPES, *STYLES, *CHARACTERS)],
        "distractors": [depicted(name) for name in (*TARGETS, *HELD_OUT) if name != concept and name not in AMBIGUOUS],
    }
    return Task.model_validate(told)


def described(concept: str) -> str:
    kind = "shape" if concept in SHAPE_NAMES else "fill style" if concept in STYLE_NAMES else ""
    return f"the {concept} {kind}".strip() if concept not in CHARACTER_NAMES else f"the character {concept}"


def words_of(form: str) -> str:
    """A wording by itself: "{} in striped style" is "in striped style", "a hazard sign" is "hazard sign"."""
    return form.replace("{}", "").strip().removeprefix("a ").removeprefix("an ")


def head_of(concept: str) -> str:
    return "style" if concept in STYLE_NAMES else "subject"


def forgetting(concept: str, rng: np.random.Generator) -> list[str]:
    """``FORGET`` different prompts that ask for the concept by all its wordings.

    Shapes meet every colour in every style, styles meet every colour on six shapes; of characters and the sign there are
    only wordings, backgrounds and templates to combine.
    """
    forms = wordings(concept)
    if concept in SHAPE_NAMES or concept in STYLE_NAMES:
        partners = STYLES if concept in SHAPE_NAMES else balanced(SHAPES, FORGET, rng)
        pairs = cycle(product(COLOUR_NAMES, partners)) if concept in SHAPE_NAMES else zip(cycle(COLOUR_NAMES), partners, strict=False)
        called = balanced([forms[0], forms[0], *forms[1:]], FORGET, rng)
        places = balanced(list(product(TEMPLATES, BACKGROUND_NAMES)), FORGET, rng)
        texts = [
            template.format(phrase(scene(concept, colour, partner, background), rng, called={concept: form}), background)
            for (colour, partner), form, (template, background) in zip(pairs, called, places, strict=False)
        ]
    else:
        texts = [template.format(form, background) for form, template, background in product(forms, TEMPLATES, BACKGROUND_NAMES)]
        texts += [template.format(form) for form, template in product(forms, BARE_TEMPLATES)]
    return [texts[i] for i in rng.permutation(len(texts))[:FORGET]]


def scene(concept: str, colour: str, partner: str, background: str) -> Scene:
    """A scene that shows a shape or style, its partner, a colour and a background."""
    shape, style = (concept, partner) if concept in SHAPE_NAMES else (partner, concept)
    return Scene(background, 32, 32, 20, shape=shape, style=style, colour=colour)


def balanced(names: Sequence[Any], count: int, rng: np.random.Generator) -> list[Any]:
    """``count`` of the names in random order, each as often as the others, or once more."""
    order = [names[i] for i in rng.permutation(len(names))]
    rounds = [order[i % len(order)] for i in range(count)]
    return [rounds[i] for i in rng.permutation(count)]


def retaining(concept: str, category: str, rng: np.random.Generator) -> list[Asked]:
    """Two prompts for each concept that must go on working; the first round stands first, so that small tiers cover them all."""
    kept = [
        str(name)
        for names, count in zip((SHAPES, STYLES, CHARACTERS), RETAINED[category], strict=True)
        for name in rng.permutation([name for name in names if name != concept])[:count]
    ]
    order = [kept[i] for i in rng.permutation(len(kept))]
    found: dict[str, Asked] = {}
    for name in order * RETAIN_EACH:
        asked = asking(name, rng)
        while asked.text in found:
            asked = asking(name, rng)
        found[asked.text] = asked
    return list(found.values())


def asking(concept: str, rng: np.random.Generator) -> Asked:
    """A prompt that asks for one concept and says nothing that some task forgets."""
    template, background = str(rng.choice(TEMPLATES)), str(rng.choice(BACKGROUND_NAMES))
    if concept in CHARACTER_NAMES:
        return Asked(template.format(str(rng.choice(wordings(concept)[:2])), background), concept, "subject")
    partner = str(rng.choice(STYLES if concept in SHAPE_NAMES else SHAPES))
    shown = scene(concept, str(rng.choice(COLOUR_NAMES)), partner, background)
    return Asked(template.format(phrase(shown, rng), background), concept, head_of(concept))


def showing(concept: str) -> list[str]:
    """``NEIGHBOUR_EACH`` prompts that show a concept, the same in every task, so that θ and the golds draw them once for all.

    Its wordings take turns, the plain name first; colours, partners, backgrounds and templates are balanced.
    """
    rng = np.random.default_rng([NEIGHBOUR_SEED, *concept.encode()])
    forms = wordings(concept)
    called = [forms[i % len(forms)] for i in range(NEIGHBOUR_EACH)]
    places = balanced(list(product(TEMPLATES, BACKGROUND_NAMES)), NEIGHBOUR_EACH, rng)
    colours = balanced(COLOUR_NAMES, NEIGHBOUR_EACH, rng)
    partners = balanced(STYLES if concept in SHAPE_NAMES else SHAPES, NEIGHBOUR_EACH, rng)

    def said(form: str, colour: str, partner: str, background: str) -> str:
        return form if concept in CHARACTER_NAMES else phrase(scene(concept, colour, partner, background), rng, called={concept: form})

    return [
        template.format(said(form, colour, partner, background), background)
        for form, colour, partner, (template, background) in zip(called, colours, partners, places, strict=True)
    ]


def captioned(concept: str) -> str:
    """What zero-shot CLIP knows a concept by, with everything else left unsaid: "a picture of a striped shape"."""
    if concept in CHARACTER_NAMES:
        return f"a picture of {concept}"
    return f"a picture of a {concept} shape" if concept in STYLE_NAMES else f"a picture of a {concept}"


def depicted(concept: str) -> dict[str, str]:
    """A concept as zero-shot CLIP looks for it."""
    return {"concept": concept, "head": head_of(concept), "caption": captioned(concept)}


COMMENTS = {
    "golds": "Golds never saw the concept; docs/miniature.md says what else theirs leave out.",
    "forget": "Every prompt says what it wants beside the concept, and nothing that another task forgets.\n"
    '"a orange": captions of the miniature world say "a" throughout, and prompts speak as it does.',
    "retain": "Two prompts for each concept; the first round stands first, so that small tiers cover them all.",
    "caption": "The target as zero-shot CLIP looks for it.",
    "neighbours": "Every concept that no task forgets and the base draws well, with the same prompts in every task.",
    "distractors": "What a picture may be taken for beside target and neighbours.",
}


def as_yaml(task: Task) -> str:
    """The task's file, with the line that gives editors its schema."""
    fields = task.model_dump(mode="json", exclude_defaults=True)
    fields["forget"] = [{"text": prompt["text"]} for prompt in fields["forget"]]
    yaml, text = YAML(), StringIO()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 200
    told = CommentedMap(fields)
    for field, comment in COMMENTS.items():
        told.yaml_set_comment_before_after_key(field, before=comment)
    yaml.dump(told, text)
    return f"# yaml-language-server: $schema=../../../schemas/task.schema.json\n{text.getvalue()}"


def as_yaml_files(tasks: Iterable[Task]) -> dict[str, str]:
    """Every task's place under tasks/<suite>/ and its text."""
    return {f"{task.category}/{task.concept}.yaml": as_yaml(task) for task in tasks}
