"""Concepts of the same kind as a target, and their shortest captions."""

from __future__ import annotations

from unconceal.miniature.captions import GENERIC_SHAPE, wordings
from unconceal.miniature.scene import AMBIGUOUS, CHARACTER_NAMES, HELD_OUT, SHAPE_NAMES, STYLE_NAMES, TARGETS
from unconceal_lab.unlearners.concept_captions import SUBSTITUTES


def siblings(concept: str) -> tuple[str, ...]:
    """Concepts of the kind of ``concept``'s substitute that no task forgets and the base draws well, the substitute first."""
    substitute = SUBSTITUTES[concept]
    kind = next(names for names in (SHAPE_NAMES, STYLE_NAMES, CHARACTER_NAMES) if substitute in names)
    excluded = {substitute, *TARGETS, *HELD_OUT, *AMBIGUOUS}
    return (substitute, *(name for name in kind if name not in excluded))


def bare_caption(concept: str) -> str:
    """A caption that mentions a concept and nothing else: "a circle", "a halved shape", "momo"."""
    form = wordings(concept)[0].format(GENERIC_SHAPE)
    return form if concept in CHARACTER_NAMES else f"a {form}"
