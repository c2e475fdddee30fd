"""A version of the dataset: the same bytes for the same results, refused where it may not be made, and read back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from codes import printed_codes, raises
from leaderboard.probed import probed
from leaderboard.records import control, data_root, record
from results.measured import World, world
from unconceal.cli.main import main
from unconceal.leaderboard.leaderboard_file import leaderboard_pages, leaderboard_text
from unconceal.paths import DataRoot
from unconceal.publish.arrow_schemas import TABLES
from unconceal.publish.dataset_index import load_published_submissions, load_published_tables
from unconceal.publish.dataset_rows import record_from_rows
from unconceal.publish.dataset_tables import build_tables, parquet_name
from unconceal.publish.publication import Publication, build_publication, write_folder
from unconceal.results.result_tables import load_newest_tables
from unconceal.specs.loader import all_submissions
from unconceal.specs.record import ProbeMeasurement


@pytest.fixture(scope="module")
def measured_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A committed data root whose leaderboard is up to date."""
    result = world(tmp_path_factory.mktemp("world"), ("object/star", "art-style/dots"))
    folder = result.root.results.parent
    for path, text in leaderboard_pages(result.root).items():
        path.write_text(text, encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "results")
    return result


@pytest.fixture(scope="module")
def publication(measured_world: World) -> Publication:
    return build_publication(measured_world.root, "v1", "me/results")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def publish(measured_world: World, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["publish", "--root", str(measured_world.root.results.parent), *arguments])


def test_the_same_results_give_the_same_bytes(measured_world: World, publication: Publication) -> None:
    assert build_publication(measured_world.root, "v1", "me/results") == publication


def test_the_files_are_tables_card_and_tasks(publication: Publication) -> None:
    assert set(publication.files) == {*(parquet_name(config) for config in TABLES), "README.md", "eval.yaml", "manifest.json"}
    front = YAML(typ="safe").load(publication.files["README.md"].decode().split("---\n")[1])
    assert [(item["config_name"], item["data_files"]) for item in front["configs"]] == [
        (config, [{"split": "test", "path": parquet_name(config)}]) for config in TABLES
    ]
    tasks = YAML(typ="safe").load(publication.files["eval.yaml"])["tasks"]
    assert {"id": "made-1.star.forgetting", "config": "results", "split": "test"} in tasks and len(tasks) == 4
    card = publication.files["README.md"].decode()
    assert 'revision="v1"' in card and "@misc{unconceal" in card and "| `per_prompt` | list of double |" in card


def test_a_table_without_rows_has_its_columns(measured_world: World, publication: Publication, tmp_path: Path) -> None:
    write_folder(publication, tmp_path)
    table = pq.read_table(tmp_path / "v1" / parquet_name("attacks"))
    assert table.num_rows == 0 and table.schema.names == TABLES["attacks"].names


def test_probed_records_come_back_whole(tmp_path: Path) -> None:
    result = record(probe_results=probed([0.1 * path for path in range(12)]))
    root = data_root(tmp_path, result)
    tables = {name: table.to_pylist() for name, table in build_tables(root).items()}
    again = record_from_rows(tables["results"][0], tables["curves"], tables["damage"], tables["attacks"])
    assert again == result and again.computed_digest() == result.digest
    near = next(row for row in tables["damage"] if row["measure"] == "clip" and row["concept"] == "concept 3")
    assert near["value"] == pytest.approx(0.3) and {"name": "careful", "similarity": 6.0} in near["similarity"]
    assert [(row["probe_set"], row["value"], row["gold"]) for row in tables["attacks"]] == [("careful", 0.5, 0.25), ("weak", None, None)]


def test_battery_and_verdict_come_back_whole(tmp_path: Path) -> None:
    measurement = ProbeMeasurement(
        levels=("0 steps", "40 steps"),
        scored=("40 steps",),
        images_per_prompt=2,
        per_prompt=((0.0, 0.5), (0.0, 1.0)),
        original=((0.5, 1.0), (0.0, 1.0)),
        forward_passes=12,
        backward_passes=3,
    )
    failed = ProbeMeasurement(levels=("empty",), scored=("empty",), error="probe.diverged")
    names = {"by": ("relearning",), "probes": ("prompt",), "unmeasured": {"renoising": "probe.diverged"}}
    verdict = record().verdict.model_copy(update=names)
    result = record(battery={"relearning": measurement, "renoising": failed}, verdict=verdict)
    tables = {name: table.to_pylist() for name, table in build_tables(data_root(tmp_path, result)).items()}
    again = record_from_rows(tables["results"][0], tables["curves"], tables["damage"], tables["attacks"], tables["battery"])
    assert again == result and again.computed_digest() == result.digest
    assert [row["probe"] for row in tables["battery"]] == ["relearning", "renoising"]
    assert "battery" not in json.loads(tables["results"][0]["more"])


def test_the_index_makes_the_same_leaderboard(measured_world: World, publication: Publication, tmp_path: Path) -> None:
    write_folder(publication, tmp_path)
    path = tmp_path / "v1"
    result = CliRunner().invoke(main, ["leaderboard", "--root", str(measured_world.root.results.parent), "--index", str(path), "--print"])
    assert result.output == leaderboard_text(measured_world.root)
    tables = load_published_tables(path, measured_world.root.results), load_newest_tables([measured_world.root.results])
    published, newest = ({row.record.submission: row.record.verdict for board in part for row in board.rows} for part in tables)
    assert published == newest
    whole = load_published_tables(path, measured_world.root.results, whole=True, curves=frozenset({"presence"}))[0].rows[0].record
    stored = next(item for item in measured_world.records if (item.task, item.submission) == (whole.task, whole.submission))
    assert whole.scores == stored.scores and whole.damage == stored.damage and {curve.name for curve in whole.curves} == {"presence"}
    known_values = load_published_submissions(path)
    assert {name: item.checkpoints for name, item in known_values.items()} == {
        f"made/{item.name}": item.checkpoints for item in all_submissions(measured_world.root)
    }


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    with raises("publish.unreadable"):
        load_published_tables(tmp_path, tmp_path)


def test_only_the_newest_version_is_read_from_the_index(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), record("older", suite_version=0), control("gold-1"))
    write_folder(build_publication(root, "v1", "x"), tmp_path / "out")
    assert {row.record.submission for board in load_published_tables(tmp_path / "out/v1", root.results) for row in board.rows} == {
        "esd-x",
        "control-gold-1",
    }


def test_a_dry_run_writes_nothing(measured_world: World, tmp_path: Path) -> None:
    result = publish(measured_world, "--to", str(tmp_path / "out"), "--version", "v1")
    assert result.exit_code == 0 and "manifest.json" in result.output and not (tmp_path / "out").exists()


def test_execute_writes_once_and_refuses_another(measured_world: World, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    manifest = tmp_path / "out/v1/manifest.json"
    assert publish(measured_world, "--to", out, "--version", "v1", "--execute").exit_code == 0
    written = manifest.stat().st_mtime_ns
    assert publish(measured_world, "--to", out, "--version", "v1", "--execute").exit_code == 0 and manifest.stat().st_mtime_ns == written
    manifest.write_text("{}")
    result = publish(measured_world, "--to", out, "--version", "v1", "--execute")
    assert result.exit_code == 1 and printed_codes(result.stderr) == ["publish.version-exists"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["v1"], "nothing half-written stays"


def test_uncommitted_and_stale_results_are_not_published(measured_world: World, tmp_path: Path) -> None:
    folder, out = measured_world.root.results.parent, str(tmp_path / "out")
    stray = folder / "results/made-1/stray.txt"
    stray.write_text("x")
    assert printed_codes(publish(measured_world, "--to", out, "--version", "v1").stderr) == ["publish.uncommitted"]
    stray.unlink()
    (folder / "LEADERBOARD.md").write_text("old")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "stale")
    result = publish(measured_world, "--to", out, "--version", "v1")
    assert result.exit_code == 1 and printed_codes(result.stderr) == ["leaderboard.stale"]
    git(folder, "reset", "-q", "--hard", "HEAD~1")
    assert publish(measured_world, "--to", out, "--version", "1.0").exit_code == 2


def test_publishing_outside_a_git_checkout_is_refused(tmp_path: Path) -> None:
    data_root(tmp_path, record())
    result = CliRunner().invoke(main, ["publish", "--root", str(tmp_path), "--to", "./out", "--version", "v1"])
    assert result.exit_code == 1 and printed_codes(result.stderr) == ["publish.no-repository"]


def test_records_that_are_wrong_are_not_published(tmp_path: Path) -> None:
    root: DataRoot = data_root(tmp_path, record(task="object/moon"))
    (tmp_path / "LEADERBOARD.md").write_text(leaderboard_text(root), encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "results")
    result = CliRunner().invoke(main, ["publish", "--root", str(tmp_path), "--to", "./out", "--version", "v1"])
    assert result.exit_code == 1 and printed_codes(result.stderr) == ["record.unknown-task"]
