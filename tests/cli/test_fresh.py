from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes, raises
from evaluation.tiny import CONCEPTS, tiny_root
from unconceal.cli.fresh import FOLDER, MAX_SEED, draw_seed, fresh_pairs, fresh_root, kept_prompts
from unconceal.cli.main import main
from unconceal.paths import DataRoot
from unconceal.results.check_results import check_results
from unconceal.specs.loader import load_submission, load_task
from unconceal.specs.record import read_record
from unconceal.specs.task import Task

PARAPHRASES = (
    "suite: tiny\ngenerators:\n  star:\n    templates: ['a {concept}, sketch {number}']\n"
    "    slots: {number: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12']}\n"
    "categories: {object: star}\nretained:\n  subject:\n"
) + "".join(f"    {name}: {{generator: star, names: [{name}]}}\n" for name in CONCEPTS)


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", "esd-x", "--root", str(root), "--task", "object/star", "--tier", "quick", *arguments])


def published(root: Path) -> tuple[DataRoot, Task]:
    data = DataRoot.find(root)
    return data, load_task(data, "object/star")


@pytest.mark.parametrize("option", [["--probes"], ["--sweep", "guidance_scale=1"]])
def test_options_that_nothing_is_compared_with(data_root: Path, option: list[str]) -> None:
    assert printed_codes(run(data_root, "--fresh", *option).output) == ["fresh.other-option"]


def test_the_published_results_are_never_replaced(data_root: Path) -> None:
    data, _ = published(data_root)
    assert printed_codes(run(data_root, "--fresh", "--results", str(data.results)).output) == ["fresh.published-results"]
    with raises("fresh.published-results"):
        fresh_root(data, 7, data.results / ".." / "results")
    assert fresh_root(data, 7, None).results == data_root / FOLDER / "7" and fresh_root(data, 7, Path("other")).results == Path("other")


def test_seeds_are_not_repeated() -> None:
    seeds = {draw_seed() for _ in range(100)}
    assert len(seeds) == 100 and all(0 <= seed < MAX_SEED for seed in seeds)


def test_golds_are_evaluated_with_the_submission(data_root: Path) -> None:
    data, task = published(data_root)
    gold = (data_root / "submissions/tiny/esd-x.yaml").read_text().replace("name: esd-x", "name: control-gold-1")
    (data_root / "submissions/tiny/control-gold-1.yaml").write_text(gold)
    (data_root / "tasks/tiny/paraphrases.yaml").write_text(PARAPHRASES)
    pairs, notes = fresh_pairs(data, "tiny", [(task, load_submission(data, "esd-x"))], 7)
    assert [submission.name for _, submission in pairs] == ["control-gold-1", "esd-x"] and notes == ()
    assert {fresh for fresh, _ in pairs} == {pairs[0][0]} and pairs[0][0].forget != task.forget


def test_prompts_that_stay_are_named(data_root: Path) -> None:
    _, task = published(data_root)
    forget, retain = kept_prompts(task, task)
    assert "12 of 12 forget prompts" in forget and "12 of 12 retain prompts" in retain


def test_a_fresh_run_from_end_to_end(tmp_path: Path) -> None:
    """Golds and submission are measured under drawn specs, the record can be derived again, and the same seed resumes."""
    root = tiny_root(tmp_path)
    (root.tasks / "tiny/paraphrases.yaml").write_text(PARAPHRASES)
    options = ("--fresh-seed", "7", "--store", str(root.store), "--threads", "1", "--device", "cpu")
    result = run(tmp_path, *options)
    assert result.exit_code == 0, result.output
    folder = tmp_path / FOLDER / "7"
    records = [read_record(path) for path in sorted(folder.rglob("*.json"))]
    assert [record.submission for record in records] == ["control-gold-1", "control-gold-2", "esd-x"] and not root.results.exists()
    assert {record.fresh.seed for record in records if record.fresh} == {7} and set(records[2].controls) == {
        "control-gold-1",
        "control-gold-2",
    }
    fresh = DataRoot(root.tasks, root.submissions, folder, root.store, read_only=False)
    assert check_results(fresh).problems == ()
    again = run(tmp_path, *options)
    assert again.exit_code == 0 and [read_record(path) for path in sorted(folder.rglob("*.json"))] == records, "nothing is measured again"
