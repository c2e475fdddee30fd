"""A tiny evaluation that can be run again and again in processes that share everything that is loaded, to be killed or disturbed."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from evaluation.tiny import tiny_root
from unconceal.evaluation import standard
from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.scheduler import schedule
from unconceal.generate.identity import StoreKey
from unconceal.generate.store import Arrays, Store
from unconceal.paths import DataRoot
from unconceal.progress import Progress, Silent
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.record import Code, Record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

NAMES = ("esd-x",)


@dataclass
class World:
    """The models, loaded once; every run has a folder of its own for store and results."""

    root: DataRoot
    loaded: Evaluation

    @classmethod
    def make(cls, folder: Path) -> World:
        torch.set_num_threads(1)
        root = tiny_root(folder)
        loaded = Evaluation(smaller(root), root, "quick", shard_size=4, batch_size=16)
        for name in ("base", "judge", "clip", "kid_extractor"):
            getattr(loaded.suite_models, name)
        return cls(root, loaded)

    def evaluation(self, folder: Path, progress: Progress | None = None) -> Evaluation:
        path = replace(self.root, store=folder / "store", results=folder / "results")
        created = replace(self.loaded, root=path, progress=progress or Silent())
        created.suite_models = self.loaded.suite_models
        return created

    def pairs(self) -> list[tuple[Task, Submission]]:
        return [(load_task(self.root, "tiny:object/star"), load_submission(self.root, f"tiny/{name}")) for name in NAMES]

    def run(self, folder: Path, progress: Progress | None = None) -> Record:
        return schedule(self.evaluation(folder, progress), self.pairs())[0]

    def start(self, folder: Path) -> int:
        """The same in another process, which notes what it has finished in ``folder``; its number."""
        child = os.fork()
        if child:
            return child
        try:
            noting(folder)
            self.run(folder)
            os._exit(0)
        except BaseException as error:
            (folder / "error").write_text(f"{type(error).__name__}: {error}")
            os._exit(1)


def smaller(root: DataRoot, prompts: int = 3) -> Suite:
    """The tiny suite with few prompts."""
    suite = load_suite(root, "tiny")
    tier = suite.tiers["quick"].model_copy(update={"n_prompts": prompts, "n_retain_prompts": prompts})
    return suite.model_copy(update={"tiers": {"quick": tier}})


def noting(folder: Path) -> None:
    """Every shard that is stored, and every record that is judged, leaves a line."""
    folder.mkdir(parents=True, exist_ok=True)
    put, judged = Store.put, standard.score

    def note(line: str) -> None:
        with (folder / "done").open("a") as file:
            file.write(line + "\n")

    def noted_put(self: Store, shard: StoreKey, arrays: Arrays) -> None:
        put(self, shard, arrays)
        note(shard.digest)

    def noted_judged(*arguments: object) -> Record:
        record: Record = judged(*arguments)  # type: ignore[arg-type]
        note("judged")
        return record

    Store.put = noted_put  # type: ignore[method-assign]
    standard.score = noted_judged  # type: ignore[assignment]


def done(folder: Path) -> list[str]:
    """What processes have noted."""
    return (folder / "done").read_text().split() if (folder / "done").exists() else []


def ended(child: int) -> bool:
    """Waits for a process; whether it finished its work. A failure of its own is raised here."""
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise AssertionError("the run failed")
    return os.WIFEXITED(status)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)


def content(record: Record) -> str:
    """Digest of all that a record says but of the code, which somebody may be changing while tests run."""
    return record.model_copy(update={"code": Code(version="any")}).computed_digest()


def shards(folder: Path) -> dict[str, bytes]:
    """Every shard of a run's store."""
    return {path.name: path.read_bytes() for path in (folder / "store").glob("??/*.safetensors")}
