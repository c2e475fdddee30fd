"""Standalone pipelines: surrogate golds, which share only the latent space of the base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.checkpoints.base_pipeline import load_base
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import checkpoint_digest
from unconceal.specs.submission import STANDALONE_FORMAT


def load_standalone(path: Path | None, sha256: str | None, device: str, dtype: torch.dtype, kind: str) -> tuple[Any, AppliedCheckpoint]:
    """Load a standalone pipeline. It is not compared with the base here; the handover checks the latent space.

    Raises:
        CheckFailed: it is missing or altered.
        EnvironmentFault: it is not a pipeline of that kind.
    """
    if path is None or not path.is_dir():
        raise CheckFailed(
            "checkpoint.not-found", str(path), "is no folder of a pipeline, so there is no surrogate", "correct the path, or download it"
        )
    digest = checkpoint_digest(path)
    if sha256 is not None and digest != sha256:
        consequence = f"has SHA-256 {digest[:12]}…, the submission promises {sha256[:12]}…, so it is not the model that was submitted"
        raise CheckFailed("checkpoint.digest-mismatch", str(path), consequence, "restore it, or pin the submission again")
    return load_base(path, device, dtype, kind), AppliedCheckpoint(STANDALONE_FORMAT, digest)
