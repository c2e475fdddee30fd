"""White-box attacks on the prompt: tokens before each prompt are optimized on the denoising loss of θ's image of that prompt.

``embedding-attack`` optimizes token embeddings freely (after Prompting4Debugging, arXiv 2309.06135, and Ring-A-Bell, 2310.10012).
``token-attack`` projects them onto the nearest tokens, with straight-through gradients (after UnlearnDiffAtk, arXiv 2310.11868).
Every text encoder of a family gets tokens of its own. The prompts' other tokens stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from unconceal.battery.fine_tuning import TEXT_ENCODERS, denoising_loss, float32_copy
from unconceal.battery.probe import BatteryPlan, Cost, Examples, Probe, ProbeInputs, ProbeScope, diverged
from unconceal.diffusion.model import Model
from unconceal.generate.image_cache import Pixels
from unconceal.specs.battery import PromptAttack

LEVEL = "attacked prompt"
FILLER = "a"
"""Stands in the text where tokens are optimized; one token in common vocabularies."""
SEED = 82
Embeddings = Mapping[str, torch.Tensor]
"""Embeddings (n, tokens, width) of the optimized tokens of n prompts, by name of the text encoder."""


@dataclass(frozen=True)
class Vocabulary:
    """The token embeddings of one text encoder, and where its optimized tokens stand.

    Attributes:
        encoder: the text encoder.
        start: position of the first optimized token.
        filler: id of the filler's token.
        words: (words, width) embeddings of all tokens that are not special.
    """

    encoder: Any
    start: int
    filler: int
    words: torch.Tensor

    @property
    def spread(self) -> float:
        """Standard deviation of the embeddings."""
        return float(self.words.std())

    def nearest(self, embeddings: torch.Tensor) -> torch.Tensor:
        """The nearest token's embedding for each of (n, tokens, width)."""
        return self.words[torch.cdist(embeddings.flatten(0, 1), self.words).argmin(1)].view_as(embeddings)


def plan(scope: ProbeScope, settings: PromptAttack) -> BatteryPlan:
    """One level; most of a prompt's images decide."""
    n_prompts = len(scope.first_prompts(settings.n_prompts))
    trained = n_prompts * settings.n_steps * settings.batch_size
    cost = Cost(trained + n_prompts * settings.images_per_prompt * scope.guided_passes, trained)
    return BatteryPlan(settings.images_per_prompt, (LEVEL,), (LEVEL,), cost, by_majority=True)


def attack(inputs: ProbeInputs, settings: PromptAttack, projected: bool) -> dict[str, Pixels]:
    """Optimize, and generate the attacked prompts."""
    model, examples = float32_copy(inputs.model), inputs.example_of_each_prompt(settings.n_prompts)
    vocabularies = read_vocabularies(model, settings.n_tokens)
    embeddings = optimize(inputs, settings, model, examples, vocabularies, projected)
    rows = [row for row in range(len(examples)) for _ in range(settings.images_per_prompt)]
    prompts = attacked_prompts(examples, rows, settings.n_tokens)
    with inserted(vocabularies, {name: value[rows] for name, value in embeddings.items()}):
        return {LEVEL: inputs.generate(model.without_cache(), prompts, inputs.seeds(examples.prompts, settings.images_per_prompt))}


def read_vocabularies(model: Model, n_tokens: int) -> dict[str, Vocabulary]:
    """The vocabulary of each text encoder.

    Raises:
        NotImplementedError: a tokenizer has no single token for the filler.
    """
    vocabularies = {}
    for name, tokenizer_name in TEXT_ENCODERS.items():
        encoder: Any = getattr(model.pipeline, name, None)
        if encoder is None:
            continue
        tokenizer: Any = getattr(model.pipeline, tokenizer_name)
        filler, ids = (tokenizer(text).input_ids for text in (FILLER, filler_text(n_tokens)))
        single = tokenizer(FILLER, add_special_tokens=False).input_ids
        start = filler.index(single[0])
        if len(single) != 1 or ids[start : start + n_tokens] != single * n_tokens:
            raise NotImplementedError(f"{tokenizer_name} has no single token for {FILLER!r}")
        weights = encoder.get_input_embeddings().weight.detach()
        words = torch.ones(len(weights), dtype=torch.bool, device=weights.device)
        words[[token for token in tokenizer.all_special_ids if token < len(weights)]] = False
        vocabularies[name] = Vocabulary(encoder, start, single[0], weights[words])
    return vocabularies


def filler_text(n_tokens: int) -> str:
    """The text in front of a prompt whose tokens are replaced."""
    return " ".join([FILLER] * n_tokens)


def attacked_prompts(examples: Examples, rows: list[int], n_tokens: int) -> list[str]:
    """Prompts of some examples behind the filler."""
    return [f"{filler_text(n_tokens)} {examples.prompts[row]}" for row in rows]


def optimize(
    inputs: ProbeInputs, settings: PromptAttack, model: Model, examples: Examples, vocabularies: Mapping[str, Vocabulary], projected: bool
) -> dict[str, torch.Tensor]:
    """Embeddings of the optimized tokens of every example's prompt; each prompt has a loss and an optimum of its own.

    Args:
        inputs: of the probe.
        settings: of the attack.
        model: is attacked.
        examples: one image of each prompt.
        vocabularies: of its text encoders.
        projected: onto the nearest tokens.
    """
    generator, shape = torch.Generator().manual_seed(SEED), (len(examples), settings.n_tokens)
    free = {
        name: vocabulary.words[torch.randint(len(vocabulary.words), shape, generator=generator)].clone().requires_grad_(True)
        for name, vocabulary in vocabularies.items()
    }
    groups = [{"params": [value], "lr": settings.learning_rate * vocabularies[name].spread} for name, value in free.items()]
    optimizer = torch.optim.Adam(groups)
    latents = examples.latents.to(model.device).float().clone()
    drawn = torch.arange(len(examples)).repeat_interleave(settings.batch_size)
    for step in range(settings.n_steps):
        optimizer.zero_grad()
        for rows in torch.split(drawn, inputs.batch_size):
            tokens = {name: projection(value, vocabularies[name]) if projected else value for name, value in free.items()}
            with inserted(vocabularies, {name: value[rows] for name, value in tokens.items()}):
                loss = denoising_loss(model, latents[rows], attacked_prompts(examples, rows.tolist(), settings.n_tokens), generator)
            if not torch.isfinite(loss):
                raise diverged(f"the loss is {loss.item()} at step {step}")
            # As many parts of the sum as rows, so that no prompt's gradient depends on how the rows are split.
            gradients = torch.autograd.grad(loss * len(rows), list(free.values()))
            for value, gradient in zip(free.values(), gradients, strict=True):
                value.grad = gradient if value.grad is None else value.grad + gradient
            inputs.advance(3 * len(rows))
        optimizer.step()
    return {name: vocabularies[name].nearest(value.detach()) if projected else value.detach() for name, value in free.items()}


def projection(embeddings: torch.Tensor, vocabulary: Vocabulary) -> torch.Tensor:
    """The nearest tokens' embeddings, with the gradient passed straight through."""
    return embeddings + (vocabulary.nearest(embeddings.detach()) - embeddings).detach()


@contextmanager
def inserted(vocabularies: Mapping[str, Vocabulary], embeddings: Embeddings) -> Iterator[None]:
    """In this context the fillers of n prompts have these embeddings; texts without fillers keep theirs."""
    hooks = []
    for name, vocabulary in vocabularies.items():
        weight = vocabulary.encoder.get_input_embeddings().weight
        # A T5 encoder holds its embedding twice, with one weight.
        layers = [layer for layer in vocabulary.encoder.modules() if isinstance(layer, nn.Embedding) and layer.weight is weight]
        hooks += [layer.register_forward_hook(_insertion(vocabulary, embeddings[name])) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _insertion(vocabulary: Vocabulary, embeddings: torch.Tensor) -> Any:
    end = vocabulary.start + embeddings.shape[1]

    def hook(layer: nn.Module, arguments: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        rows = (arguments[0][:, vocabulary.start : end] == vocabulary.filler).all(1)
        if not rows.any():
            return output
        changed = output.clone()
        # An inference rule may have replaced the text of some rows.
        changed[rows, vocabulary.start : end] = embeddings.to(output)[rows]
        return changed

    return hook


EMBEDDING_ATTACK = Probe(
    lambda scope: plan(scope, scope.battery.embedding_attack),
    lambda inputs: attack(inputs, inputs.battery.embedding_attack, projected=False),
)
TOKEN_ATTACK = Probe(
    lambda scope: plan(scope, scope.battery.token_attack),
    lambda inputs: attack(inputs, inputs.battery.token_attack, projected=True),
)
