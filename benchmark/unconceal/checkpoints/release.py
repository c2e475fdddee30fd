"""A released checkpoint: its weights files, and what its formats make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from unconceal.checkpoints.key_names import Copy, StateDict
from unconceal.checkpoints.low_rank import LowRank, Updates
from unconceal.checkpoints.weights_file import Weights


@dataclass(frozen=True)
class ReleasedFile:
    """An opened weights file of a release.

    Attributes:
        name: path below the release; of a release of one file, its name.
        component: that its folder or its name tells.
        copy: which of two copies of a component's weights it is, where its name tells.
        is_whole: whether its name is that of a complete component.
        settings: JSON settings beside it.
    """

    name: str
    weights: Weights
    component: str | None = None
    copy: Copy | None = None
    is_whole: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """A file, or a folder, whose weights files are all accounted for.

    Attributes:
        path: of the file or folder.
        files: every weights file that is read.
        unused: every other weights file, with the reason.
        names: all files of a folder.
    """

    path: Path
    files: tuple[ReleasedFile, ...]
    unused: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Tensors of one file that have the same prefix and format.

    Attributes:
        tensors: by key without the prefix.
        component: that the prefix, the file's folder or its name tells.
        declared: format that the submission names.
    """

    file: ReleasedFile
    format: str
    declared: str
    prefix: str
    component: str | None
    copy: Copy | None
    tensors: StateDict

    @property
    def source(self) -> str:
        """File for error messages."""
        return str(self.file.weights.path)


@dataclass(frozen=True)
class Spm:
    """One semi-permeable membrane (SPM): low-rank updates, and the prompts that it erases."""

    updates: Mapping[str, LowRank]
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class SpmNetwork:
    """Membranes that act together beside a component, each as strongly as a prompt resembles the prompts that it erases."""

    component: str
    membranes: tuple[Spm, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the updated modules."""
        return tuple(dict.fromkeys(name for membrane in self.membranes for name in membrane.updates))


@dataclass(frozen=True)
class Reading:
    """How a group acts on the base.

    Attributes:
        used: keys of the group that are applied.
        tensors: that replace the base's, by component, under any library's key names.
        updates: that are added to the base's weights, by component.
        erasers: bottlenecks behind cross-attentions (Receler), by attention block.
        embeddings: by token, (n, width).
        spm: a membrane.
        left_out: numbers of used tensors that change no image, by reason.
    """

    used: frozenset[str]
    tensors: Mapping[str, StateDict] = field(default_factory=dict)
    updates: Mapping[str, Updates] = field(default_factory=dict)
    erasers: Mapping[str, StateDict] = field(default_factory=dict)
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)
    spm: Spm | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
