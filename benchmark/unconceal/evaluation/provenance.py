"""What a record says of the code and the machine behind it (no torch)."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence

from unconceal import __version__
from unconceal.paths import SOURCE_TREE
from unconceal.specs.digests import canonical_digest
from unconceal.specs.record import Code
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

PACKAGES = ("torch", "diffusers", "transformers", "timm", "torchmetrics", "numpy", "scipy", "safetensors")


def spec_digests(suite: Suite, task: Task, submission: Submission) -> dict[str, str]:
    """Digests of the three specs; of the submission only what decides the result: its name and this task's checkpoint."""
    decisive = {"name": submission.name, "checkpoint": submission.checkpoints[task.id].model_dump(mode="json", exclude_none=True)}
    return {
        "task_digest": canonical_digest(task.content()),
        "suite_digest": canonical_digest(suite.content()),
        "submission_digest": canonical_digest(decisive),
    }


def code() -> Code:
    """The version, and the commit of the source tree where there is one; results/ and generated pages don't make it dirty."""
    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "benchmark", "tasks", "submissions") if commit else ""
    return Code(version=__version__, commit=commit or None, dirty=bool(changed))


def git(*arguments: str) -> str:
    """Output of a git command in the source tree; empty outside a checkout."""
    try:
        done = subprocess.run(["git", "-C", str(SOURCE_TREE), *arguments], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def packages(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Installed versions."""
    return {name: importlib.metadata.version(name) for name in names}


def machine() -> dict[str, str]:
    return {"python": platform.python_version(), "platform": f"{platform.system()}-{platform.machine()}"}
