"""Inference rules: the closed vocabulary, where one may stand, and what identifies it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from codes import refuses
from unconceal.diffusion.inference_rules import RULES
from unconceal.hub.local_weights import weights_digest
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.inference_rule import NEEDS, RULE_NAMES, InferenceRule, rule_digest
from unconceal.specs.submission import Checkpoint, Submission

RULE: TypeAdapter[Any] = TypeAdapter(InferenceRule)
SAFETY = {"guidance_scale": 2000, "warmup_steps": 7, "threshold": 0.025, "momentum_scale": 0.5, "momentum_beta": 0.7}
SMALLER = [{name: value / 2} for name, value in SAFETY.items() if value < 1]
EXAMPLES: dict[str, dict[str, Any]] = {
    "negative-prompt": {"prompt": "star"},
    "safe-latent-diffusion": {"concept": "star", **SAFETY},
    "prompt-rewriting": {"replacements": {"star": "circle"}},
    "prompt-filter": {"words": ["star"]},
    "token-exclusion": {"words": ["star"]},
    "embedding-projection": {"concepts": ["star"]},
}


def rule(name: str, **changes: Any) -> Any:
    return RULE.validate_python({"rule": name, **EXAMPLES[name], **changes})


def submission(name: str = "negative", **checkpoints: Any) -> Submission:
    fields = {"name": name, "suite": "miniature", "title": "t", "description": "d"}
    return Submission.model_validate({**fields, "checkpoints": {f"object/{task}": value for task, value in checkpoints.items()}})


def test_one_vocabulary() -> None:
    assert set(RULE_NAMES) == set(EXAMPLES) == set(RULES) == set(NEEDS)
    assert all(rule(name).rule == name for name in RULE_NAMES)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("negative-prompt", {"prompt": ""}),
        ("negative-prompt", {"prompt": "x" * 1001}),
        ("safe-latent-diffusion", {"guidance_scale": 1}),
        ("safe-latent-diffusion", {"guidance_scale": float("nan")}),
        ("safe-latent-diffusion", {"warmup_steps": -1}),
        ("safe-latent-diffusion", {"momentum_beta": 1}),
        ("safe-latent-diffusion", {"safety_checker": "mine.py"}),
        ("prompt-rewriting", {"replacements": {}}),
        ("prompt-filter", {"words": [" "]}),
        ("prompt-filter", {"instead": "a\x1b[31m"}),
        ("negative-prompt", {"prompt": "two\nlines"}),
        ("prompt-filter", {"words": ["w"] * 501}),
        ("token-exclusion", {"words": []}),
        ("embedding-projection", {"max_steps": 0}),
        ("embedding-projection", {"alpha": float("inf")}),
    ],
)
def test_values_outside_their_bounds(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        rule(name, **changes)


def test_an_unknown_rule_names_the_known_ones() -> None:
    with refuses("union_tag_invalid"):
        RULE.validate_python({"rule": "python", "code": "import os"})


@pytest.mark.parametrize(
    ("name", "changes"),
    [("prompt-filter", {"words": ["Star", "sTAR"]}), ("prompt-rewriting", {"replacements": {"star": "a", "STAR": "b"}})],
)
def test_a_word_in_two_cases(name: str, changes: dict[str, Any]) -> None:
    with refuses("inference.duplicate-word"):
        rule(name, **changes)


def test_a_rule_stands_on_the_original_weights_alone() -> None:
    given = {"rule": "negative-prompt", "prompt": "star"}
    assert submission(star={"format": "original", "inference": given}).checkpoints["object/star"].inference is not None
    with refuses("submission.rule-with-weights"):
        submission(star={"path": "w.safetensors", "inference": given})
    with refuses("submission.rule-beside-weights"):
        submission(star={"format": "original", "inference": given}, arrow={"path": "w.safetensors"})
    for name in ("control-gold-1", "control-original"):
        with refuses("submission.rule-on-reference"):
            submission(name, star={"format": "original", "inference": given})


def test_every_parameter_is_part_of_the_identity() -> None:
    """Two rules that differ in one value differ in their digest; the same rule has the same."""
    digests = {rule_digest(rule(name)) for name in RULE_NAMES}
    changes: dict[str, list[dict[str, Any]]] = {
        "negative-prompt": [{"prompt": "Star"}],
        "safe-latent-diffusion": [{"concept": "stars"}, {"guidance_scale": 9}, {"warmup_steps": 8}, *SMALLER],
        "prompt-rewriting": [{"replacements": {"star": "ring"}}, {"replacements": {"star": ""}}],
        "prompt-filter": [{"words": ["stars"]}, {"instead": "a circle"}],
        "token-exclusion": [{"words": ["star", "ring"]}],
        "embedding-projection": [{"concepts": ["stars"]}, {"alpha": 0.02}, {"max_steps": 11}],
    }
    for name, variants in changes.items():
        digests |= {rule_digest(rule(name, **variant)) for variant in variants}
    assert len(digests) == len(RULE_NAMES) + sum(map(len, changes.values()))
    assert rule_digest(rule("negative-prompt")) == rule_digest(rule("negative-prompt"))


def test_only_a_rule_gives_the_original_an_identity_of_its_own() -> None:
    root = DataRoot.find(SOURCE_TREE)
    assert weights_digest(Checkpoint(format="original"), root) is None
    assert weights_digest(Checkpoint(format="original", inference=rule("token-exclusion")), root) == rule_digest(rule("token-exclusion"))
    assert "inference" not in Checkpoint(format="original").model_dump(exclude_none=True)
