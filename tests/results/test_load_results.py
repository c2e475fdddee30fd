"""`load_results`: one version of a suite, typed rows and frames, from records and from a publication."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import unconceal
from codes import raises
from leaderboard.records import control, data_root, record
from unconceal.paths import DataRoot
from unconceal.publish.publication import build_publication, write_folder
from unconceal.results.result_tables import PARALLEL_THRESHOLD, selected_versions


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """Two versions, two tasks and two tiers."""
    newest = [record(), record(tier="quick"), record("esd-u", 0.9, task="object/moon"), control("gold-1")]
    return data_root(tmp_path, *newest, record("older", suite_version=0))


def test_the_newest_version_in_one_tier_per_task(root: DataRoot) -> None:
    folder = root.results.parent
    results = unconceal.load_results(root=folder)
    assert [(row.suite_version, row.task, row.submission, row.tier) for row in results] == [
        (1, "object/moon", "esd-u", "full"),
        (1, "object/star", "control-gold-1", "full"),
        (1, "object/star", "esd-x", "full"),
    ]
    assert [row.submission for row in unconceal.load_results(version=0, root=folder)] == ["older"]
    assert [row.tier for row in unconceal.load_results("miniature", task="object/star", tier="quick", root=folder)] == ["quick"]
    assert len(results[:2]) == 2 and results[0].verdict.label == "conceals"


def test_what_has_no_results_is_one_line(root: DataRoot) -> None:
    for options, code in (({"version": 7}, "unknown-version"), ({"suite": "other"}, "unknown-version"), ({"task": "a/b"}, "no-record")):
        with raises(f"results.{code}"):
            unconceal.load_results(root=root.results.parent, **options)
    with raises("results.unknown-source"):
        unconceal.load_results(source="hub:no-tag")


def test_a_version_needs_its_suite_where_several_have_it() -> None:
    assert set(selected_versions([("a", 2), ("a", 1), ("b", 1)])) == {("a", 2), ("b", 1)}
    assert selected_versions([("a", 2), ("a", 1), ("b", 1)], "a") == (("a", 2),)
    with raises("results.no-suite"):
        selected_versions([("a", 2), ("a", 1), ("b", 1)], version=1)


def test_frames_hold_every_number(root: DataRoot) -> None:
    results = unconceal.load_results(root=root.results.parent)
    pandas, polars = results.to_pandas(), results.to_polars()
    assert list(pandas.columns) == polars.columns and pandas.shape == polars.shape
    for index, row in enumerate(results):
        assert pandas["record_id"][index] == polars["record_id"][index] == row.measured_digest
        for name, score in row.scores.items():
            for column, value in ((name, score.value), (f"{name}.low", score.low), (f"{name}.high", score.high), (f"{name}.n", score.n)):
                assert polars[column][index] == value
                assert (None if pandas[column].isna()[index] else pandas[column][index]) == value


def test_a_publication_gives_the_same_records(root: DataRoot, tmp_path: Path) -> None:
    write_folder(build_publication(root, "v1", "me/results"), tmp_path / "out")
    source = str(tmp_path / "out/v1")
    assert unconceal.load_results(source=source) == unconceal.load_results(root=root.results.parent)
    assert [row.submission for row in unconceal.load_results(source=source, version=0)] == ["older"]


def test_many_records_load_in_a_script_without_a_guard(tmp_path: Path) -> None:
    """Processes that import the main module would start it again."""
    many = [record(f"method-{index}", 0.5, curves=(), damage={}, scores={}) for index in range(PARALLEL_THRESHOLD + 1)]
    data_root(tmp_path, *many)
    script = tmp_path / "script.py"
    script.write_text(f"import pathlib, unconceal\nprint(len(unconceal.load_results(root=pathlib.Path({str(tmp_path)!r}))))\n")
    paths = {"PYTHONPATH": str(Path(unconceal.__file__).parents[1])}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=paths, check=False)
    assert done.stdout.strip() == str(len(many)), done.stderr
