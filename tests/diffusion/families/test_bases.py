from __future__ import annotations

import re

from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.families.bases import BASE_MODELS
from unconceal.paths import SOURCE_TREE
from unconceal.specs.suite import SOLVERS


def test_the_documented_table_is_the_table() -> None:
    page = (SOURCE_TREE / "docs/guides/model-families.md").read_text(encoding="utf-8")
    for base in BASE_MODELS:
        gated = "yes" if base.gated else "no"
        fields = (base.prediction, base.pixels, base.license, gated, f"{base.gigabytes:g}")
        assert f"| `{base.repo}` | `{base.revision}` | " + " | ".join(map(str, fields)) + " |" in page
    assert len(re.findall(r"`[0-9a-f]{40}`", page)) == len(BASE_MODELS)


def test_every_base_is_pinned_to_a_commit_of_a_known_family() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{40}", base.revision) and base.family in FAMILIES for base in BASE_MODELS)


def test_every_family_has_a_solver_and_a_pipeline_of_diffusers() -> None:
    import diffusers

    assert set(FAMILIES) == set(SOLVERS)
    assert all(hasattr(diffusers, family.pipeline_class) for family in FAMILIES.values())
