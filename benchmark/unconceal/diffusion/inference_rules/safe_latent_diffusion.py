"""Safe latent diffusion (arXiv 2211.05105): guidance towards the prompt and away from an unsafe concept S, where both point alike.

On an empty prompt, p(prompt) is p(∅), and the safety term alone remains. In the paper's symbols, for predictions of ε:

    prediction = p(∅) + s_g · (p(prompt) − p(∅) − γ)
    γ_t = μ ⊙ (p(S) − p(∅)) + s_m · ν_t                       without effect in the first δ steps
    μ = min(1, s_S · |p(prompt) − p(S)|) where p(prompt) − p(S) < λ, else 0
    ν_(t+1) = β_m · ν_t + (1 − β_m) · γ_t,  ν_0 = 0 at the first step that θ* runs

The paper prints max(1, |φ|) for μ; its released code, like diffusers', takes the minimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from unconceal.diffusion.model import Model
from unconceal.diffusion.prompt_embeddings import Conditioning, PromptEmbeddings
from unconceal.specs.inference_rule import SafeLatentDiffusion


@dataclass
class SafetyGuidance:
    """The guidance of n rows of one branch, with its momentum ν (n, …)."""

    rule: SafeLatentDiffusion
    prompt: Conditioning
    unconditional: Conditioning
    concept: Conditioning
    scale: float
    momentum: torch.Tensor | None = field(default=None, init=False)

    def conditions(self, step: int) -> Sequence[Conditioning]:
        return self.unconditional, self.prompt, self.concept

    def combine(self, predictions: Sequence[torch.Tensor], step: int) -> torch.Tensor:
        unconditional, prompt, concept = predictions
        momentum = torch.zeros_like(prompt) if self.momentum is None else self.momentum
        difference = prompt - concept
        weight = (self.rule.guidance_scale * difference.abs()).clamp(max=1.0).where(difference < self.rule.threshold, 0.0)
        safety = weight * (concept - unconditional) + self.rule.momentum_scale * momentum
        self.momentum = self.rule.momentum_beta * momentum + (1 - self.rule.momentum_beta) * safety
        towards = prompt - unconditional
        return unconditional + self.scale * (towards - safety if step >= self.rule.warmup_steps else towards)


def guidance(rule: SafeLatentDiffusion, model: Model, prompts: Sequence[str], embeddings: PromptEmbeddings) -> SafetyGuidance:
    """Three forward passes a step: without a prompt, with it, and with the concept."""
    concept = model.encode_prompts([rule.concept] * len(prompts)).prompt
    return SafetyGuidance(rule, embeddings.prompt, embeddings.negative or embeddings.empty, concept, model.guidance)
