"""Submissions: an unlearning method and its checkpoint for each task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field

from unconceal.paths import IN_PACKAGE, escapes
from unconceal.specs.bibtex_entry import bibtex_flaw
from unconceal.specs.inference_rule import InferenceRule
from unconceal.specs.spec import COMMIT, Digest, Line, Mistake, Name, Repo, Revision, Spec

Format = Literal[
    "auto",
    "original",
    "pipeline",
    "components",
    "state-dict",
    "compvis",
    "flux",
    "lora",
    "spm",
    "eraser",
    "embedding",
    "standalone",
]
ORIGINAL_FORMAT: Format = "original"
"""The format of θ itself, which has no weights of its own."""
STANDALONE_FORMAT: Format = "standalone"
"""The format of surrogate golds: whole pipelines, which share only the base's latent space."""
Component = Literal["unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "vae"]
COMPONENTS: tuple[str, ...] = get_args(Component)
TaskId = Annotated[str, Field(pattern=r"^[a-z-]+/[a-z0-9-]+$", max_length=120, description="category/concept, e.g. object/star")]
RelativePath = Annotated[
    str,
    Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+$", max_length=500, description="a path without '..'"),
]
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
"""Suffixes of weights files."""
CONTROL_PREFIX, GOLD_PREFIX, ORIGINAL = "control-", "control-gold-", "control-original"
"""Names of the suite's own submissions: all of them, the golds, and the original model."""


def is_control_name(name: str) -> bool:
    """Whether a submission of this name is one of the suite's controls."""
    return name.startswith(CONTROL_PREFIX)


def is_gold_name(name: str) -> bool:
    """Whether a submission of this name is a gold: a model that never saw the concept."""
    return name.startswith(GOLD_PREFIX)


def gold_name(number: int) -> str:
    """Name of a suite's gold, counted from 1."""
    return f"{GOLD_PREFIX}{number}"


class Checkpoint(Spec):
    """The released weights for one task.

    Attributes:
        path: file or folder in the data root; instead of ``repo``.
        repo: repository on the Hub, at ``revision``.
        repo_type: ``space`` for a Space; None for a model repository.
        file: one weights file of the repository.
        subfolder: folder of the model in the repository. Without ``file`` and ``subfolder`` the repository is the model.
        format: of the release. ``original``: the base model itself, without weights; ``standalone``: a whole pipeline, for golds only.
        component: of the weights, if their keys do not tell.
        use: the trained weights (``model``) or their moving average (``ema``), if the release holds both.
        scale: that low-rank updates are multiplied by, as Concept Sliders are used.
        sha256: digest of the weights.
        gigabytes: size of the download.
        inference: of ``original``: the rule by which θ samples instead.
    """

    path: RelativePath | None = None
    repo: Repo | None = None
    repo_type: Literal["space"] | None = Field(None, description="where the repo is a Space and no model")
    revision: Revision | None = None
    file: RelativePath | None = None
    subfolder: RelativePath | None = None
    format: Format = "auto"
    component: Component | None = None
    use: Literal["model", "ema"] | None = None
    scale: float | None = Field(None, ge=-100, le=100, description="of low-rank updates; null: 1")
    sha256: Digest | None = None
    gigabytes: float | None = Field(None, gt=0, description="about what has to be downloaded")
    inference: InferenceRule | None = Field(None, description="of format original: a method without weights, which changes the sampling")

    @property
    def is_draft(self) -> bool:
        """Whether the revision is no commit: such a checkpoint is evaluated only after it is pinned."""
        return self.repo is not None and not COMMIT.fullmatch(self.revision or "")

    def mistakes(self) -> Iterator[Mistake]:
        """Two sources of weights or none, an incomplete Hub reference, a path outside its folder."""
        yield from self._source_mistakes()
        yield from self._hub_mistakes()
        if self.inference is not None and self.format != ORIGINAL_FORMAT:
            consequence = "acts on θ's own weights, so it cannot be told what other weights do"
            remedy = "say format: original and leave the weights out, or submit the weights alone"
            yield Mistake("submission.rule-with-weights", ("inference",), f"rule {self.inference.rule!r}", consequence, remedy)
        for name in ("path", "file", "subfolder"):
            value = getattr(self, name)
            if value is not None and escapes(value.removeprefix(IN_PACKAGE) if name == "path" else value):
                remedy = "give a relative path without '..'"
                yield Mistake("path.outside-root", (name,), repr(value), "leaves the folder it belongs to, so it is not opened", remedy)

    def _source_mistakes(self) -> Iterator[Mistake]:
        """Two sources of weights, or none."""
        sources = [name for name in ("path", "repo") if getattr(self, name) is not None]
        if (len(sources) != 1) != (self.format == ORIGINAL_FORMAT) or len(sources) > 1:
            location = (sources[0],) if sources else ("format",)
            if self.format == ORIGINAL_FORMAT:
                yield Mistake(
                    "submission.conflicting-source",
                    location,
                    "format 'original'",
                    f"means the base itself, so a {sources[0]} contradicts it",
                    "remove one of them",
                )
            elif sources:
                yield Mistake(
                    "submission.conflicting-source",
                    location,
                    "path and repo",
                    "name two checkpoints, of which one would be passed over",
                    "keep one",
                )
            else:
                yield Mistake(
                    "submission.no-source",
                    location,
                    f"format {self.format!r}",
                    "needs weights, but no path or repo is given",
                    "give one, or format: original",
                )

    def _hub_mistakes(self) -> Iterator[Mistake]:
        """An incomplete or ambiguous reference to the Hub."""
        if (self.repo is None) != (self.revision is None):
            at, missing = ("repo", "revision") if self.repo else ("revision", "repo")
            yield Mistake(
                "submission.not-pinned", (at,), at, f"has no {missing}, so nobody could load the same weights again", f"add the {missing}"
            )
        if self.repo is None and self.repo_type:
            yield Mistake(
                "submission.incomplete-reference", ("repo_type",), "repo_type", "has no repo", "give repo and revision, or a path"
            )
        if self.repo is None and (self.file or self.subfolder):
            yield Mistake(
                "submission.incomplete-reference",
                ("file" if self.file else "subfolder",),
                "a file of the Hub",
                "has no repo",
                "give repo and revision, or a path",
            )
        if self.file and self.subfolder:
            yield Mistake(
                "submission.conflicting-source",
                ("file",),
                "file and subfolder",
                "name two things to load",
                "give the file alone, with its folder in its name",
            )
        if self.file and not self.file.endswith(WEIGHTS_SUFFIXES):
            yield Mistake(
                "submission.unknown-weights",
                ("file",),
                repr(self.file),
                "is no weights file, so it is not downloaded",
                f"name one that ends in {', '.join(WEIGHTS_SUFFIXES)}",
            )


class Submission(Spec):
    """One method and its checkpoints by task id. Names that begin with ``control-`` are reserved for the suite."""

    name: Name
    suite: Name
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    method: str | None = Field(None, description="the method's name, where several submissions come of one")
    base: str | None = Field(None, description="the model that was unlearned, as suite.yaml names its base; refused where it is another")
    paper: str | None = None
    paper_title: Line | None = None
    authors: tuple[Line, ...] = Field((), max_length=200, description="of the paper, each as Given Family or Family, Given")
    year: int | None = Field(None, ge=1900, le=2200, description="of the paper")
    venue: Line | None = None
    bibtex: str | None = Field(None, max_length=4000, description="the paper's own entry, which citations then use")
    code: str | None = None
    license: str | None = None
    contact: str | None = None
    checkpoints: dict[TaskId, Checkpoint] = Field(min_length=1)

    def mistakes(self) -> Iterator[Mistake]:
        """A BibTeX entry that is none, and a standalone pipeline that is no gold: nothing shows that it was derived from the base."""
        if self.bibtex is not None and (flaw := bibtex_flaw(self.bibtex)):
            yield Mistake("submission.bad-bibtex", ("bibtex",), "bibtex", f"{flaw}, so it is not printed", "give one plain entry")
        """A standalone pipeline that is no gold: nothing shows that it was derived from the base. Rules where no mark would fit."""
        for task, checkpoint in self.checkpoints.items():
            if checkpoint.inference is not None and (self.is_gold or self.name == ORIGINAL):
                consequence = "is a reference for other rows, and a model with a rule knows what θ knows"
                at = ("checkpoints", task, "inference")
                yield Mistake("submission.rule-on-reference", at, self.name, consequence, "give the submission another name")
            if checkpoint.format == STANDALONE_FORMAT and not self.is_gold:
                consequence = "is for golds: of any other submission the weights have to be shown to be the base's, changed"
                yield Mistake(
                    "submission.standalone-reserved",
                    ("checkpoints", task, "format"),
                    "format 'standalone'",
                    consequence,
                    "release it in another format",
                )
        with_rule = [task for task, checkpoint in self.checkpoints.items() if checkpoint.inference is not None]
        if 0 < len(with_rule) < len(self.checkpoints):
            consequence = "has an inference rule where other tasks have weights, so no mark would fit the whole row"
            at = ("checkpoints", with_rule[0], "inference")
            yield Mistake("submission.rule-beside-weights", at, with_rule[0], consequence, "make two submissions of it")

    @property
    def is_control(self) -> bool:
        """Whether it is one of the suite's controls."""
        return is_control_name(self.name)

    @property
    def is_gold(self) -> bool:
        """Whether it is a model that never saw the concept."""
        return is_gold_name(self.name)
