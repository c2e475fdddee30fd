"""A pipeline of its own beside the base: a surrogate gold, which shares the base's latents and nothing else that need be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.checkpoints.base_pipeline import load_base
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import checkpoint_digest

STANDALONE = "standalone"


def load_standalone(path: Path | None, sha256: str | None, device: str, dtype: torch.dtype, kind: str) -> tuple[Any, AppliedCheckpoint]:
    """The pipeline, and what a record says of it. It is not compared with the base: whoever hands over checks the latents.

    Raises:
        CheckFailed: it is missing or altered.
        EnvironmentFault: it is no pipeline of that kind.
    """
    if path is None or not path.is_dir():
        raise CheckFailed(
            "checkpoint.not-found", str(path), "is no folder of a pipeline, so there is no surrogate", "correct the path, or download it"
        )
    digest = checkpoint_digest(path)
    if sha256 is not None and digest != sha256:
        consequence = f"has SHA-256 {digest[:12]}…, the submission promises {sha256[:12]}…, so it is not the model that was submitted"
        raise CheckFailed("checkpoint.digest-mismatch", str(path), consequence, "restore it, or pin the submission again")
    return load_base(path, device, dtype, kind), AppliedCheckpoint(STANDALONE, digest)
