"""The tasks of the miniature suite: forget, retain and neighbour prompts for every target concept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import cycle, product
from typing import Any, NamedTuple

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

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
from unconceal_lab.build.recipe import GOLDS, file_stem

N_FORGET, N_PER_RETAINED, N_PER_NEIGHBOUR = 36, 2, 6
"""Forget prompts of a task, retain prompts per concept, and prompts per neighbour."""
EXCLUDED = {*TARGETS, *HELD_OUT, *AMBIGUOUS}
SHAPES, STYLES, CHARACTERS = ([name for name in names if name not in EXCLUDED] for names in (SHAPE_NAMES, STYLE_NAMES, CHARACTER_NAMES))
"""Concepts that prompts may show in addition to the target: none that any task forgets, so a gold differs in the target only."""
N_RETAINED = {"object": (6, 2, 2), "art-style": (3, 5, 2), "identity": (4, 2, 4), "nsfw": (5, 2, 3)}
"""Numbers of retained shapes, styles and characters, by category. Most are of the target's own kind."""
SEED, NEIGHBOUR_SEED = 77, 78


class RetainPrompt(NamedTuple):
    """A retain prompt, the concept it asks for, and the judge head that recognizes it."""

    text: str
    concept: str
    head: str


def build_task(concept: str, category: str) -> Task:
    """The task of forgetting a concept. Its prompts depend on the concept only."""
    rng = np.random.default_rng([SEED, *concept.encode()])
    forget = [{"text": text} for text in forget_prompts(concept, rng)]
    retain = [prompt._asdict() for prompt in retain_prompts(concept, category, rng)]
    fields: dict[str, Any] = {
        "concept": file_stem(concept),
        "category": category,
        "title": f"Forget {description(concept)}",
        "suite": "miniature",
        "license": "Apache-2.0",
        "judge": {"head": head_of(concept), "label": concept},
        "aliases": [alias_of(form) for form in wordings(concept) if alias_of(form) != concept],
        "gold_kind": "trained-without",
        "golds": [f"control-gold-{number}" for number in GOLDS],
        "forget": forget,
        "retain": retain,
        "caption": clip_caption(concept),
        "neighbours": [{**clip_concept(name), "prompts": neighbour_prompts(name)} for name in (*SHAPES, *STYLES, *CHARACTERS)],
        "distractors": [clip_concept(name) for name in (*TARGETS, *HELD_OUT) if name != concept and name not in AMBIGUOUS],
    }
    return Task.model_validate(fields)


def description(concept: str) -> str:
    kind = "shape" if concept in SHAPE_NAMES else "fill style" if concept in STYLE_NAMES else ""
    return f"the {concept} {kind}".strip() if concept not in CHARACTER_NAMES else f"the character {concept}"


def alias_of(form: str) -> str:
    """A wording without placeholder and article: "{} in striped style" becomes "in striped style"."""
    return form.replace("{}", "").strip().removeprefix("a ").removeprefix("an ")


def head_of(concept: str) -> str:
    return "style" if concept in STYLE_NAMES else "subject"


def forget_prompts(concept: str, rng: np.random.Generator) -> list[str]:
    """``N_FORGET`` distinct prompts that ask for the concept, using all its wordings.

    Shapes appear in every colour and style, styles in every colour on six shapes. Prompts of characters and the sign combine wordings,
    backgrounds and templates.
    """
    forms = wordings(concept)
    if concept in SHAPE_NAMES or concept in STYLE_NAMES:
        partners = STYLES if concept in SHAPE_NAMES else balanced_choices(SHAPES, N_FORGET, rng)
        pairs = cycle(product(COLOUR_NAMES, partners)) if concept in SHAPE_NAMES else zip(cycle(COLOUR_NAMES), partners, strict=False)
        chosen = balanced_choices([forms[0], forms[0], *forms[1:]], N_FORGET, rng)
        settings = balanced_choices(list(product(TEMPLATES, BACKGROUND_NAMES)), N_FORGET, rng)
        texts = [
            template.format(phrase(scene_with(concept, colour, partner, background), rng, forms={concept: form}), background)
            for (colour, partner), form, (template, background) in zip(pairs, chosen, settings, strict=False)
        ]
    else:
        texts = [template.format(form, background) for form, template, background in product(forms, TEMPLATES, BACKGROUND_NAMES)]
        texts += [template.format(form) for form, template in product(forms, BARE_TEMPLATES)]
    return [texts[i] for i in rng.permutation(len(texts))[:N_FORGET]]


def scene_with(concept: str, colour: str, partner: str, background: str) -> Scene:
    """A scene with a shape or style, its partner, a colour and a background."""
    shape, style = (concept, partner) if concept in SHAPE_NAMES else (partner, concept)
    return Scene(background, 32, 32, 20, shape=shape, style=style, colour=colour)


def balanced_choices(names: Sequence[Any], count: int, rng: np.random.Generator) -> list[Any]:
    """``count`` of the names in random order; numbers of occurrences differ by at most one."""
    order = [names[i] for i in rng.permutation(len(names))]
    rounds = [order[i % len(order)] for i in range(count)]
    return [rounds[i] for i in rng.permutation(count)]


def retain_prompts(concept: str, category: str, rng: np.random.Generator) -> list[RetainPrompt]:
    """Two prompts for each retained concept. The first of each come first, so that small tiers cover all concepts."""
    concepts = [
        str(name)
        for names, count in zip((SHAPES, STYLES, CHARACTERS), N_RETAINED[category], strict=True)
        for name in rng.permutation([name for name in names if name != concept])[:count]
    ]
    order = [concepts[i] for i in rng.permutation(len(concepts))]
    prompts: dict[str, RetainPrompt] = {}
    for name in order * N_PER_RETAINED:
        prompt = retain_prompt(name, rng)
        while prompt.text in prompts:
            prompt = retain_prompt(name, rng)
        prompts[prompt.text] = prompt
    return list(prompts.values())


def retain_prompt(concept: str, rng: np.random.Generator) -> RetainPrompt:
    """A prompt that asks for one concept and mentions no target of any task."""
    template, background = str(rng.choice(TEMPLATES)), str(rng.choice(BACKGROUND_NAMES))
    if concept in CHARACTER_NAMES:
        return RetainPrompt(template.format(str(rng.choice(wordings(concept)[:2])), background), concept, "subject")
    partner = str(rng.choice(STYLES if concept in SHAPE_NAMES else SHAPES))
    scene = scene_with(concept, str(rng.choice(COLOUR_NAMES)), partner, background)
    return RetainPrompt(template.format(phrase(scene, rng), background), concept, head_of(concept))


def neighbour_prompts(concept: str) -> list[str]:
    """``N_PER_NEIGHBOUR`` prompts that show a concept, the same in every task, so that their images are generated once.

    Wordings alternate, the plain name first; colours, partners, backgrounds and templates are balanced.
    """
    rng = np.random.default_rng([NEIGHBOUR_SEED, *concept.encode()])
    forms = wordings(concept)
    chosen = [forms[i % len(forms)] for i in range(N_PER_NEIGHBOUR)]
    settings = balanced_choices(list(product(TEMPLATES, BACKGROUND_NAMES)), N_PER_NEIGHBOUR, rng)
    colours = balanced_choices(COLOUR_NAMES, N_PER_NEIGHBOUR, rng)
    partners = balanced_choices(STYLES if concept in SHAPE_NAMES else SHAPES, N_PER_NEIGHBOUR, rng)

    def content(form: str, colour: str, partner: str, background: str) -> str:
        return form if concept in CHARACTER_NAMES else phrase(scene_with(concept, colour, partner, background), rng, forms={concept: form})

    return [
        template.format(content(form, colour, partner, background), background)
        for form, colour, partner, (template, background) in zip(chosen, colours, partners, settings, strict=True)
    ]


def clip_caption(concept: str) -> str:
    """Caption of a concept for zero-shot CLIP: "a picture of a striped shape"."""
    if concept in CHARACTER_NAMES:
        return f"a picture of {concept}"
    return f"a picture of a {concept} shape" if concept in STYLE_NAMES else f"a picture of a {concept}"


def clip_concept(concept: str) -> dict[str, str]:
    """A concept with its judge head and CLIP caption."""
    return {"concept": concept, "head": head_of(concept), "caption": clip_caption(concept)}


COMMENTS = {
    "golds": "Golds never saw the concept; docs/concepts/miniature.md lists what else they leave out.",
    "forget": "Prompts state all attributes besides the concept, and show no other task's concept.\n"
    '"a orange": captions and prompts of the miniature world always use "a".',
    "retain": "Two prompts per concept; the first round comes first, so small tiers cover all concepts.",
    "caption": "Caption of the target for zero-shot CLIP.",
    "neighbours": "All concepts that no task forgets and that the base draws well, with the same prompts in every task.",
    "distractors": "Further captions among which zero-shot CLIP chooses.",
}


def as_yaml(task: Task) -> str:
    """The task's YAML file, with a schema line for editors."""
    fields = task.model_dump(mode="json", exclude_defaults=True)
    fields["forget"] = [{"text": prompt["text"]} for prompt in fields["forget"]]
    yaml, text = YAML(), StringIO()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 200
    content = CommentedMap(fields)
    for field, comment in COMMENTS.items():
        content.yaml_set_comment_before_after_key(field, before=comment)
    yaml.dump(content, text)
    return f"# yaml-language-server: $schema=../../../schemas/task.schema.json\n{text.getvalue()}"


def as_yaml_files(tasks: Iterable[Task]) -> dict[str, str]:
    """YAML text of every task by its path under tasks/<suite>/."""
    return {f"{task.category}/{task.concept}.yaml": as_yaml(task) for task in tasks}
