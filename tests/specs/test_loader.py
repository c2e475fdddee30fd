"""Every mistake of a file at once, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from codes import raises
from unconceal.paths import DataRoot
from unconceal.specs.loader import all_submissions, all_tasks, load_submission, load_suite, load_task, misplaced_files
from unconceal.specs.problems import Problem, SpecProblems

TASK, SUITE, SUBMISSION = "tasks/tiny/object/star.yaml", "tasks/tiny/suite.yaml", "submissions/tiny/esd-x.yaml"
SUN = "{concept: sun, head: subject, caption: a sun, prompts: [one sun]}"
LOADS: dict[str, Callable[[DataRoot], object]] = {
    TASK: lambda root: load_task(root, "object/star"),
    SUITE: lambda root: load_suite(root, "tiny"),
    SUBMISSION: lambda root: load_submission(root, "esd-x"),
}


def edit(root: Path, file: str, *changes: tuple[str, str]) -> list[str]:
    """Replace text in a file; returns its lines."""
    text = (root / file).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (root / file).write_text(text)
    return text.split("\n")


def problems(root: Path, file: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecProblems) as caught:
        LOADS[file](DataRoot.find(root))
    assert all(problem.file == root / file for problem in caught.value.problems)
    assert str(caught.value).count("\n") == len(caught.value.problems) - 1
    return caught.value.problems


@pytest.mark.parametrize("file", LOADS)
def test_right_files_load(data_root: Path, file: str) -> None:
    assert LOADS[file](DataRoot.find(data_root))


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "code", "part"),
    [
        (TASK, "title:", "titel:", "titel", "spec.unknown-field", "titel"),
        (TASK, "title:", "titel:", "titel", "spec.unknown-field", "'title'"),
        (TASK, "title: Forget the star", "title: [1, 2]", "title", "spec.wrong-type", "title"),
        (TASK, "category: object", "category: objekt", "category", "spec.unknown-value", "'objekt'"),
        (TASK, "category: object", "category: identity", "category", "spec.wrong-path", "'object'"),
        (TASK, "concept: star", "concept: moon", "concept", "spec.wrong-path", "'moon'"),
        (TASK, "head: subject, label", "head: tail, label", "judge", "spec.unknown-value", "judge.head = 'tail'"),
        (TASK, "text: a star number 3", "txt: a star number 3", "txt", "spec.unknown-field", "'text'"),
        (TASK, "concept: ring, head: subject", "concept: ring", "called ring", "prompt.no-concept", "ring"),
        (TASK, "golds: [control-gold-1]", "golds: [esd-x]", "golds", "task.bad-gold-name", "'esd-x'"),
        (TASK, "gold_kind: trained-without\n", "", "golds", "task.no-gold-kind", "golds"),
        (TASK, "retain:", f"neighbours: [{SUN}]\nretain:", "neighbours", "task.no-caption", "neighbours"),
        (
            TASK,
            "retain:",
            f"caption: a star\nneighbours: [{SUN}, {SUN}]\nretain:",
            "neighbours",
            "task.duplicate-concept",
            "'sun' ('a sun')",
        ),
        (TASK, "retain:", f"caption: a sun\nneighbours: [{SUN}]\nretain:", "neighbours", "task.duplicate-concept", "'sun' ('a sun')"),
        (
            SUITE,
            "fine_tune:",
            "probing: {gate_seeds: 101, seeds: 2}\nfine_tune:",
            "  evaluation: 200",
            "suite.overlapping-seeds",
            "seed 200 of tier probing",
        ),
        (
            SUITE,
            "fine_tune:",
            "probing: {gate_seeds: 2, seeds: 2, attack_seeds: 3}\nfine_tune:",
            "probing",
            "spec.out-of-range",
            "at least 4",
        ),
        (SUITE, "psi: [0, 0.3, 1]", "psi: [0, 1.3, 1]", "psi: [0, 1.3", "spec.out-of-range", "tiers.quick.psi[1] = 1.3"),
        (SUITE, "psi: [0, 0.3, 1]", "psi: [0, -0.3, 1]", "psi: [0, -0.3", "spec.out-of-range", "tiers.quick.psi[1] = -0.3"),
        (SUITE, "psi: [0, 0.3, 1]", "psi: [0, .nan, 1]", "psi: [0, .nan", "spec.invalid-value", "psi[1]"),
        (SUITE, "psi: [0, 0.3, 1]", "psi: [0, .inf, 1]", "psi: [0, .inf", "spec.invalid-value", "psi[1]"),
        (SUITE, "psi: [0, 0.3, 1]", "psi: [0, 0.3, 0.3, 1]", "psi: [0, 0.3, 0.3", "suite.unsorted-grid", "psi"),
        (SUITE, "psi: [0, 0.3, 1]", "psi: [0.1, 0.3, 1]", "psi: [0.1", "suite.incomplete-grid", "psi"),
        (SUITE, "reference: 100", "reference: 1", "  reference: 1", "suite.overlapping-seeds", "seed 1 of tier quick"),
        (SUITE, "evaluation: 200", "evaluation: 100", "  evaluation: 100", "suite.overlapping-seeds", "seed 100 of tier quick"),
        (SUITE, "steps: 5", "steps: five", "sampler", "spec.wrong-type", "sampler.num_inference_steps"),
        (SUITE, "steps: 5", "steps: '5'", "sampler", "spec.wrong-type", "sampler.num_inference_steps"),
        (SUITE, "scheduler: ddim", "scheduler: pndm", "sampler", "spec.unknown-value", "'ddim'"),
        (SUITE, "  quick:", "  light:", "light", "spec.unknown-value", "'quick'"),
        (SUITE, "extractors: [resnet18]", "extractors: [resnet19]", "resnet19", "suite.unknown-extractor", "use resnet18"),
        (SUITE, "'0000", "'0 00", "base", "spec.invalid-value", "base.digest"),
        (SUITE, "name: tiny", "name: Tiny Suite", "name", "spec.invalid-value", "name = 'Tiny Suite'"),
        (SUBMISSION, "object/star:", "object/stars:", "object/stars", "submission.unknown-task", "'tiny'"),
        (SUBMISSION, "object/star:", "object/stars:", "object/stars", "submission.unknown-task", "'object/star'"),
        (SUBMISSION, "name: esd-x", "name: esd-y", "name", "spec.wrong-path", "'esd-y'"),
        (SUBMISSION, "submissions/tiny/", "../../", "path", "path.outside-root", "weights/star.safetensors"),
        (SUBMISSION, "submissions/tiny/", "/etc/", "path", "path.outside-root", "weights/star.safetensors"),
        (SUBMISSION, "format: state-dict", "format: original", "path", "submission.conflicting-source", "original"),
        (SUBMISSION, "    format: state-dict\n", "    sha256: abc\n", "sha256", "spec.invalid-value", "sha256 = 'abc'"),
        (SUBMISSION, "description: A method.", "description: ''", "description", "spec.invalid-value", "description"),
    ],
)
def test_one_mistake(data_root: Path, file: str, old: str, new: str, at: str, code: str, part: str) -> None:
    """``part``: a name or number that the problem must contain."""
    lines = edit(data_root, file, (old, new))
    line = next(number for number, text in enumerate(lines, 1) if at in text)
    result = problems(data_root, file)
    assert any((problem.line, problem.code) == (line, code) and part in str(problem) for problem in result), (line, result)


@pytest.mark.parametrize(("file", "field"), [(TASK, "license: Apache-2.0\n"), (SUITE, "title: A suite for tests\n")])
def test_a_missing_field_is_named(data_root: Path, file: str, field: str) -> None:
    edit(data_root, file, (field, ""))
    expected = ("spec.missing-field", field.partition(":")[0])
    assert expected in {(problem.code, problem.value) for problem in problems(data_root, file)}


def test_many_mistakes_at_once(data_root: Path) -> None:
    lines = edit(
        data_root,
        SUITE,
        ("version: 1", "version: one\nversoin: 1"),
        ("psi: [0, 0.3, 1]", "psi: [0, 2, 1]"),
        ("reference: 100", "reference: 1"),
        ("name: tiny", "name: other"),
        ("epochs: 1, ", ""),
        ("title: A suite for tests", "title: &t A suite\ntitle: B"),
        ("extractors: [resnet18]", "extractors: !!set [resnet18]"),
    )
    result = problems(data_root, SUITE)
    expected = {
        "version: one": "spec.wrong-type",
        "versoin": "spec.unknown-field",
        "psi: [0, 2, 1]": "spec.out-of-range",
        "  reference: 1": "suite.overlapping-seeds",
        "name: other": "spec.wrong-path",
        "fine_tune": "spec.missing-field",
        "title: &t": "spec.alias",
        "title: B": "spec.duplicate-key",
        "!!set": "spec.tag",
    }
    for start, code in expected.items():
        line = next(number for number, text in enumerate(lines, 1) if start in text)
        assert (line, code) in {(problem.line, problem.code) for problem in result}, (start, result)
    assert len(result) == len(expected)
    assert [problem.line for problem in result] == sorted(problem.line or 0 for problem in result)


def test_mistakes_of_several_files_come_together(data_root: Path) -> None:
    (data_root / "tasks/tiny/object/moon.yaml").write_text((data_root / TASK).read_text())
    edit(data_root, TASK, ("title:", "titel:"))
    with pytest.raises(SpecProblems) as caught:
        all_tasks(DataRoot.find(data_root))
    assert {problem.file.name for problem in caught.value.problems} == {"moon.yaml", "star.yaml"}
    assert caught.value.exit_code == 1
    assert len(all_submissions(DataRoot.find(data_root))) == 1


def test_names(data_root: Path) -> None:
    root = DataRoot.find(data_root)
    assert load_task(root, "tiny:object/star") == load_task(root, "tasks/tiny/object/star.yaml") == load_task(root, "object/star")
    assert load_submission(root, "tiny/esd-x") == load_submission(root, "submissions/tiny/esd-x.yaml")
    assert load_suite(root, "tiny").id == "tiny-1"
    for load, name, code, close in (
        (load_task, "object/stra", "task.unknown", "object/star"),
        (load_submission, "esd-y", "submission.unknown", "esd-x"),
        (load_suite, "tinny", "suite.unknown", "tiny"),
    ):
        with raises(code) as caught:
            load(root, name)
        assert repr(close) in caught.value.remedy


def test_a_name_in_two_suites_is_ambiguous(data_root: Path) -> None:
    other = data_root / "tasks/other/object/star.yaml"
    other.parent.mkdir(parents=True)
    other.write_text((data_root / TASK).read_text().replace("suite: tiny", "suite: other"))
    with raises("task.ambiguous"):
        load_task(DataRoot.find(data_root), "object/star")
    assert load_task(DataRoot.find(data_root), "other:object/star").suite == "other"


def test_files_in_the_wrong_place_are_not_passed_over(data_root: Path) -> None:
    root = DataRoot.find(data_root)
    assert not list(misplaced_files(root))
    for name in ("tasks/tiny/star.yaml", "tasks/star.yaml", "tasks/tiny/object/moon.yml", "submissions/esd-y.yaml"):
        (data_root / name).write_text("x: 1\n")
    assert {problem.file.name for problem in misplaced_files(root)} == {"star.yaml", "moon.yml", "esd-y.yaml"}
    assert len(list(misplaced_files(root))) == 4


def test_only_probe_sets_of_a_task_lie_below_its_category(data_root: Path) -> None:
    for name in ("star.probes/some-model.yaml", "moon.probes/some-model.yaml", "notes/some-model.yaml"):
        path = data_root / "tasks/tiny/object" / name
        path.parent.mkdir()
        path.write_text("x: 1\n")
    assert {problem.file.parent.name for problem in misplaced_files(DataRoot.find(data_root))} == {"moon.probes", "notes"}


def test_suite_and_task_values_are_typed(data_root: Path) -> None:
    root = DataRoot.find(data_root)
    suite, task = load_suite(root, "tiny"), load_task(root, "object/star")
    assert suite.tiers["quick"].psi == (0.0, 0.3, 1.0) and suite.fine_tune.learning_rate == 1e-3 and suite.arms == ("prompt", "empty")
    assert task.id == "object/star" and task.retain[1].concept == "ring" and len(task.forget) == 12


@pytest.mark.parametrize(
    ("file", "new", "old"),
    [
        (TASK, "license: Apache-2.0", "licence: Apache-2.0"),
        (SUITE, "num_inference_steps: 5, guidance_scale: 5", "steps: 5, guidance: 5"),
        (SUITE, "batch_size: 4, learning_rate: 1e-3", "batch: 4, rate: 1e-3"),
    ],
)
def test_a_file_of_an_older_format_gets_one_line(data_root: Path, file: str, new: str, old: str) -> None:
    path = data_root / file
    assert new in path.read_text()
    path.write_text(path.read_text().replace(new, old))
    with pytest.raises(SpecProblems) as caught:
        LOADS[file](DataRoot.find(data_root))
    assert [problem.code for problem in caught.value.problems] == ["spec.old-format"]
    assert "0.1.0" in str(caught.value) and caught.value.problems[0].line


@pytest.mark.parametrize("field", ["steps: 5", "size: 64", "pictures: 3"])
def test_a_field_that_the_model_never_had_is_unknown_and_hides_no_other_mistake(data_root: Path, field: str) -> None:
    path = data_root / TASK
    path.write_text(path.read_text().replace("title: Forget the star", f"titel: Forget the star\n{field}"))
    with pytest.raises(SpecProblems) as caught:
        LOADS[TASK](DataRoot.find(data_root))
    assert sorted(problem.code for problem in caught.value.problems) == ["spec.missing-field", "spec.unknown-field", "spec.unknown-field"]


def test_suggestions_name_the_suite_of_an_ambiguous_name(data_root: Path) -> None:
    text = (data_root / SUBMISSION).read_text()
    for suite in ("tiny", "other"):
        path = data_root / f"submissions/{suite}/control-gold-1.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("esd-x", "control-gold-1").replace("suite: tiny", f"suite: {suite}"))
    with raises("submission.unknown") as caught:
        load_submission(DataRoot.find(data_root), "nothing-like-it")
    assert re.findall(r"[\w/-]*[\d-][\w/-]*", caught.value.remedy) == ["other/control-gold-1", "tiny/control-gold-1", "esd-x"]
