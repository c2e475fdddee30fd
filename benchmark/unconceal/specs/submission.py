"""A submission: one unlearning method, and its checkpoint for each task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field

from unconceal.paths import IN_PACKAGE, escapes
from unconceal.specs.spec import COMMIT, Digest, Mistake, Name, Repo, Revision, Spec

Format = Literal["auto", "original", "pipeline", "components", "state-dict", "delta", "compvis", "lora", "spm", "standalone"]
Component = Literal["unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "vae"]
COMPONENTS: tuple[str, ...] = get_args(Component)
TaskId = Annotated[str, Field(pattern=r"^[a-z-]+/[a-z0-9-]+$", description="category/concept, e.g. object/star")]
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
"""How a weights file's name ends."""


class Checkpoint(Spec):
    """The released weights for one task: a ``path`` in the data root, or a ``repo`` on the Hub at a ``revision``.

    ``file``: one weights file of the repo; ``subfolder``: the folder that holds the model; neither: the whole repo is one.
    ``component``: whose weights they are, where their keys do not say it. ``format`` original: the base itself, which needs no weights;
    standalone: a pipeline of its own, which only golds may be.
    """

    path: str | None = None
    repo: Repo | None = None
    repo_type: Literal["space"] | None = Field(None, description="where the repo is a Space and no model")
    revision: Revision | None = None
    file: str | None = None
    subfolder: str | None = None
    format: Format = "auto"
    component: Component | None = None
    sha256: Digest | None = None
    gigabytes: float | None = Field(None, gt=0, description="about what has to be downloaded")

    @property
    def is_draft(self) -> bool:
        """Whether it is on the Hub under a name that may move: evaluated only once it is pinned."""
        return self.repo is not None and not COMMIT.fullmatch(self.revision or "")

    def mistakes(self) -> Iterator[Mistake]:
        """Weights named twice or not at all, half a Hub reference, a name that leaves its folder."""
        sources = [name for name in ("path", "repo") if getattr(self, name) is not None]
        if (len(sources) != 1) != (self.format == "original") or len(sources) > 1:
            where = (sources[0],) if sources else ("format",)
            if self.format == "original":
                yield Mistake(
                    "submission.conflicting-source",
                    where,
                    "format 'original'",
                    f"means the base itself, so a {sources[0]} contradicts it",
                    "remove one of them",
                )
            elif sources:
                yield Mistake(
                    "submission.conflicting-source",
                    where,
                    "path and repo",
                    "name two checkpoints, of which one would be passed over",
                    "keep one",
                )
            else:
                yield Mistake(
                    "submission.no-source",
                    where,
                    f"format {self.format!r}",
                    "needs weights, but no path or repo is given",
                    "give one, or format: original",
                )
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
        for name in ("path", "file", "subfolder"):
            value = getattr(self, name)
            if value is not None and escapes(value.removeprefix(IN_PACKAGE) if name == "path" else value):
                remedy = "give a relative path without '..'"
                yield Mistake("path.outside-root", (name,), repr(value), "leaves the folder it belongs to, so it is not opened", remedy)


class Submission(Spec):
    """One method and its checkpoints by task id. Names that begin with ``control-`` are the suite's own."""

    name: Name
    suite: Name
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    method: str | None = Field(None, description="the method's name, where several submissions come of one")
    base: str | None = Field(None, description="the model that was unlearned, as suite.yaml names its base; refused where it is another")
    paper: str | None = None
    code: str | None = None
    license: str | None = None
    contact: str | None = None
    checkpoints: dict[TaskId, Checkpoint] = Field(min_length=1)

    def mistakes(self) -> Iterator[Mistake]:
        """A pipeline of its own that is no gold: nothing would show that it came from the base."""
        for task, checkpoint in self.checkpoints.items():
            if checkpoint.format == "standalone" and not self.is_gold:
                consequence = "is for golds: of any other submission the weights have to be shown to be the base's, changed"
                yield Mistake(
                    "submission.standalone-reserved",
                    ("checkpoints", task, "format"),
                    "format 'standalone'",
                    consequence,
                    "release it in another format",
                )

    @property
    def is_control(self) -> bool:
        """Whether it is one of the suite's yardsticks."""
        return self.name.startswith("control-")

    @property
    def is_gold(self) -> bool:
        """Whether it is a model that never saw the concept."""
        return self.name.startswith("control-gold-")
