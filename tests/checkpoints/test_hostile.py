"""Nothing of a stranger's runs, and each is told what is wrong in one line, at once and in little memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoints.hostile import CORPUS, KEY
from checkpoints.hostile.adapters import FORMS
from codes import raises
from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal.errors import UnconcealError

SECONDS, MEBIBYTES = 2.0, 300
"""What refusing a file may take at most."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, in which nothing must appear."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert not list(folder.iterdir()), "something was left behind"


def peak() -> float:
    """Mebibytes of resident memory that the process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 150


@pytest.mark.parametrize("what", CORPUS)
def test_it_is_refused(base: StableDiffusionPipeline, tmp_path: Path, what: str) -> None:
    make, code = CORPUS[what]
    sent = tmp_path / "sent"
    sent.mkdir()
    path = make(sent)
    files = {result: result.stat().st_mtime_ns for result in sent.rglob("*")}
    before, started = peak(), time.process_time()
    with raises(code) as caught:
        apply(base, path)
    assert time.process_time() - started < SECONDS and peak() - before < MEBIBYTES
    line = str(caught.value)
    assert "\n" not in line and "\x1b" not in line and len(line) < 700, line
    assert {result: result.stat().st_mtime_ns for result in sent.rglob("*")} == files


@pytest.mark.parametrize("what", FORMS)
def test_the_same_without_a_mistake_loads(base: StableDiffusionPipeline, tmp_path: Path, what: str) -> None:
    _, applied = apply(base, FORMS[what].save(tmp_path, FORMS[what].tensors))
    assert sum(record.changed for record in applied.components.values()) >= 1


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_the_bytes_the_error_is_ours(base: StableDiffusionPipeline, tmp_path: Path, data: st.DataObject) -> None:
    """True files with bytes changed, cut or added; the long run is in ``tools/fuzz.py``."""
    from fuzz import mutated_weights

    path = mutated_weights(data, tmp_path)
    try:
        pipe, _ = apply(base, path)
    except UnconcealError as error:
        assert "\n" not in str(error)
    else:
        assert torch.isfinite(pipe.unet.state_dict()[KEY]).all()
