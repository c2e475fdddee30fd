"""Finds and loads what a first look is given: a base, a checkpoint, a gold, a CLIP, each as a folder, a file, or a name on the Hub."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from unconceal.checkpoints.apply import AppliedCheckpoint, apply_submitted
from unconceal.checkpoints.base_pipeline import load_base
from unconceal.checkpoints.rehearsal import rehearse
from unconceal.checkpoints.standalone import load_standalone
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.model import Model, check_latent_space
from unconceal.diffusion.noise_levels import aligned_to_base
from unconceal.errors import UsageError
from unconceal.evaluation.evaluation import check_schedule, retained_latents
from unconceal.generate.generator import has_other_decoder
from unconceal.hub.pinned_models import WHOLE_REPOSITORY, fetch_pinned, local_path
from unconceal.hub.repository import fetch, resolve
from unconceal.paths import IN_PACKAGE, DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.loader import load_suite, suite_names
from unconceal.specs.spec import COMMIT, UNPINNED, Pinned
from unconceal.specs.submission import Checkpoint
from unconceal.specs.submission_draft import HUB_PATTERN, parse_checkpoint
from unconceal.specs.suite import SOLVERS, FamilyName, Sampler, Suite
from unconceal.specs.task import Task

STEPS, GUIDANCE, DISTILLED_GUIDANCE = 25, 7.5, 3.5
"""Of a base that is no suite's."""
PIPELINE_FILE = "model_index.json"


class Base(NamedTuple):
    """The base model's folder, its family and sampler, and the suite that it belongs to, if any."""

    folder: Path
    family: FamilyName
    sampler: Sampler
    suite: Suite | None


def find_base(text: str, root: DataRoot) -> Base:
    """The base that a text names: a suite, a folder, ``package:…``, or ``owner/name[@revision]`` on the Hub.

    Raises:
        UsageError: nothing of that name, or a pipeline of no known family.
        CheckFailed: the repository or its revision does not exist.
        EnvironmentFault: the Hub cannot be reached.
    """
    suites = [load_suite(root, name) for name in suite_names(root)]
    suite = next((suite for suite in suites if suite.name == text or suite.base.repo == text.partition("@")[0]), None)
    folder = local_path(suite.base, root) if suite is not None and suite.name == text else find_model(text, root)
    if suite is None:
        local = [other for other in suites if other.base.repo is None]
        suite = next((other for other in local if path_digest(folder) == other.base.digest), None)
    family = family_of(folder)
    return Base(folder, family, suite.sampler if suite is not None else default_sampler(family), suite)


def find_model(text: str, root: DataRoot) -> Path:
    """The folder of a whole model.

    Raises:
        UsageError: there is no such folder, and the text is no name on the Hub.
    """
    folder = resolve_path(text, root) if text.startswith(IN_PACKAGE) else Path(text).expanduser()
    if folder.is_dir():
        return folder
    repo, _, revision = text.partition("@")
    if not HUB_PATTERN.fullmatch(f"{repo}@{revision or 'main'}"):
        consequence = "is no folder, no suite and no owner/name[@revision]"
        raise UsageError("look.unknown-source", repr(text), consequence, "name a folder that exists, or a repository")
    commit = revision if COMMIT.fullmatch(revision) else resolve(repo, revision or "main").commit
    return fetch_pinned(Pinned(repo=repo, revision=commit, path=WHOLE_REPOSITORY, digest=UNPINNED))


def find_weights(text: str, root: DataRoot) -> tuple[Path, Checkpoint]:
    """A checkpoint's file or folder, downloaded if it is on the Hub, and its fields as in a submission.

    Raises:
        UsageError: there is no such file, and the text is no name on the Hub.
    """
    path = resolve_path(text, root) if text.startswith(IN_PACKAGE) else Path(text).expanduser()
    if path.exists():
        return path, Checkpoint(path=text if text.startswith(IN_PACKAGE) else path.name)
    fields = parse_checkpoint(text if "@" in text else f"{text}@main")
    if "repo" not in fields:
        consequence = "is no file or folder, and no owner/name@revision[/file]"
        raise UsageError("look.unknown-source", repr(text), consequence, "name a file that exists, or one on the Hub")
    commit = fields["revision"] if COMMIT.fullmatch(fields["revision"]) else resolve(fields["repo"], fields["revision"]).commit
    checkpoint = Checkpoint.model_validate({**fields, "revision": commit})
    return fetch(checkpoint), checkpoint


def family_of(folder: Path) -> FamilyName:
    """The family of a diffusers folder.

    Raises:
        UsageError: it is of none.
    """
    try:
        name = json.loads((folder / PIPELINE_FILE).read_text())["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    family = next((family for family, info in FAMILIES.items() if info.pipeline_class == name), None)
    if family is None:
        known = ", ".join(info.pipeline_class for info in FAMILIES.values())
        value = f"{folder}, {name}," if name else str(folder)
        raise UsageError("look.unknown-family", value, "is no pipeline of a family that can be looked at", f"name one of {known}")
    return family


def default_sampler(family: FamilyName) -> Sampler:
    """The sampler of a base that is no suite's."""
    guidance = GUIDANCE if FAMILIES[family].forward_passes_per_step == 2 else DISTILLED_GUIDANCE
    return Sampler(scheduler=SOLVERS[family], num_inference_steps=STEPS, guidance_scale=guidance)


class Loader:
    """Loads θ, and what is compared with it, by the same functions as an evaluation."""

    def __init__(self, base: Base, task: Task, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.base, self.task, self.device, self.dtype = base, task, device, dtype
        self.kind = FAMILIES[base.family].pipeline_class
        self.pipeline: Any = load_base(base.folder, device, dtype, self.kind)
        self.original: Model = FAMILIES[base.family].load(self.pipeline, base.sampler)
        check_schedule(self.original, FAMILIES[base.family].levels(base.sampler))

    def unlearned(self, path: Path, checkpoint: Checkpoint) -> tuple[Model, AppliedCheckpoint]:
        """A checkpoint applied to the base.

        Raises:
            CheckFailed: it is not acceptable, equal to the base, or of another architecture.
        """
        rehearse(path)
        pipeline, applied = apply_submitted(self.pipeline, path, checkpoint)
        return self._checked(FAMILIES[self.base.family].load(pipeline, self.base.sampler, applied.spm)), applied

    def gold(self, path: Path) -> Model:
        """A gold: a whole pipeline of its own, or weights on the base."""
        if not (path / PIPELINE_FILE).is_file():
            return self.unlearned(path, Checkpoint(path=path.name))[0]
        rehearse(path)
        pipeline, _ = load_standalone(path, None, self.device, self.dtype, self.kind)
        return self._checked(FAMILIES[self.base.family].load(pipeline, self.base.sampler))

    def _checked(self, model: Model) -> Model:
        if has_other_decoder(self.original, model):
            check_latent_space(self.original, model, retained_latents(self.original, self.task))
        return aligned_to_base(model, self.original)


def with_steps(model: Model, steps: int) -> Model:
    """The model with another number of steps."""
    return replace(model, steps=steps)
