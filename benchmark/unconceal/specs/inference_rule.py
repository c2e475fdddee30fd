"""Inference rules: what a submission without weights of its own does while θ samples. A closed vocabulary; nothing of an author's is run.

To add one: its settings here, its file and its row in :mod:`unconceal.diffusion.inference_rules`, and its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field

from unconceal.specs.digests import canonical_digest
from unconceal.specs.spec import CONTROL, Mistake, Ratio, Spec

RuleName = Literal[
    "negative-prompt", "safe-latent-diffusion", "prompt-rewriting", "prompt-filter", "token-exclusion", "embedding-projection"
]
RULES_VERSION = 2
"""Raised whenever a change of a rule's code changes the images; part of their identity."""
ONE_LINE = rf"^[^{CONTROL}]*$"
PromptText = Annotated[str, Field(min_length=1, max_length=1000, pattern=ONE_LINE)]
Word = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$",
        description="a word or phrase, found at word borders in any case",
    ),
]
Words = Annotated[tuple[Word, ...], Field(min_length=1, max_length=500)]


class NegativePrompt(Spec):
    """Classifier-free guidance away from a prompt, which takes the place of the empty one."""

    rule: Literal["negative-prompt"]
    prompt: PromptText


class SafeLatentDiffusion(Spec):
    """Safety guidance (arXiv 2211.05105), with the paper's symbols.

    Attributes:
        concept: prompt of the unsafe concept, S.
        guidance_scale: s_S.
        warmup_steps: δ; in the steps before it the guidance only gathers momentum.
        threshold: λ; where p(prompt) − p(S) is not below it, there is no safety guidance.
        momentum_scale: s_m.
        momentum_beta: β_m.
    """

    rule: Literal["safe-latent-diffusion"]
    concept: PromptText
    guidance_scale: float = Field(gt=1, le=100_000)
    warmup_steps: int = Field(ge=0, le=1000)
    threshold: float = Field(ge=-1, le=1)
    momentum_scale: Ratio
    momentum_beta: float = Field(ge=0, lt=1)


class PromptRewriting(Spec):
    """Words of the prompt are replaced before it is embedded.

    Attributes:
        replacements: by word; an empty replacement deletes the word.
    """

    rule: Literal["prompt-rewriting"]
    replacements: Annotated[dict[Word, Annotated[str, Field(max_length=100, pattern=ONE_LINE)]], Field(min_length=1, max_length=500)]

    def mistakes(self) -> Iterator[Mistake]:
        """Words that differ in case only."""
        yield from duplicate_words(tuple(self.replacements), "replacements")


class PromptFilter(Spec):
    """A prompt with a listed word is not generated.

    Attributes:
        words: of which one suffices.
        instead: the prompt that is generated; by default the empty one.
    """

    rule: Literal["prompt-filter"]
    words: Words
    instead: str = Field("", max_length=1000, pattern=ONE_LINE)

    def mistakes(self) -> Iterator[Mistake]:
        """Words that differ in case only."""
        yield from duplicate_words(self.words, "words")


class TokenExclusion(Spec):
    """The denoiser sees the empty prompt's embeddings at the tokens of listed words; the text encoder still reads the whole prompt."""

    rule: Literal["token-exclusion"]
    words: Words

    def mistakes(self) -> Iterator[Mistake]:
        """Words that differ in case only."""
        yield from duplicate_words(self.words, "words")


class EmbeddingProjection(Spec):
    """Tokens near a subspace of concepts are projected away from it (SAFREE, arXiv 2410.12761), without its re-attention in the latents.

    Attributes:
        concepts: texts that span the subspace.
        alpha: α; a token is near if the prompt without it lies (1 + α) times as far from the subspace as without any other.
        max_steps: γ of the self-validating filter, which acts in the first steps only.
    """

    rule: Literal["embedding-projection"]
    concepts: Annotated[tuple[PromptText, ...], Field(min_length=1, max_length=64)]
    alpha: float = Field(0.01, ge=0, le=1)
    max_steps: float = Field(10.0, gt=0, le=1000)


InferenceRule = Annotated[
    NegativePrompt | SafeLatentDiffusion | PromptRewriting | PromptFilter | TokenExclusion | EmbeddingProjection,
    Field(discriminator="rule"),
]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)
NEEDS: dict[RuleName, str] = {
    "negative-prompt": "classifier-free guidance, and this model's guidance is distilled",
    "safe-latent-diffusion": "classifier-free guidance of a model that predicts ε",
    "prompt-rewriting": "a text encoder",
    "prompt-filter": "a text encoder",
    "token-exclusion": "text embeddings token by token",
    "embedding-projection": "a single CLIP text encoder, whose pooled and token embeddings share one space",
}
"""What each rule needs of a model family."""


GUIDED_PASSES: dict[RuleName, int] = {"negative-prompt": 2, "safe-latent-diffusion": 3}
"""Forward passes of one step in either arm, of rules with a guidance of their own. The others take as many as θ."""


def rule_digest(rule: InferenceRule) -> str:
    """SHA-256 of a rule with all of its parameters: the identity of θ* in place of the weights' digest."""
    return canonical_digest({"inference": rule.model_dump(mode="json"), "version": RULES_VERSION})


def duplicate_words(words: tuple[str, ...], field: str) -> Iterator[Mistake]:
    """Words of a list that are equal but for their case."""
    seen: set[str] = set()
    for word in words:
        if word.casefold() in seen:
            yield Mistake("inference.duplicate-word", (field,), repr(word), "stands twice in the list, in any case", "name it once")
        seen.add(word.casefold())
