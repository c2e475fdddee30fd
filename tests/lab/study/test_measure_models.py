from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes
from generate.claimant import other_process
from leaderboard.records import record
from unconceal.errors import CheckFailed
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.loader import load_suite
from unconceal.specs.record import write_record
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.cli.main import main
from unconceal_lab.study import measure_models, stages
from unconceal_lab.study.measure_models import pending_jobs, run_jobs, with_stage
from unconceal_lab.study.population import MORE, Member, members, members_under
from unconceal_lab.study.settings import REBUILT, SETTINGS, USUAL
from unconceal_lab.study.stages import STAGES, MeasurementStage
from unconceal_lab.study.study import Study
from unconceal_lab.study.study_rows import Row, refuse_mixed_weights

MADE, ORIGINAL = Member("star", "m", "method", lambda shop: {}), Member("star", "control-original", "original")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    data = replace(DataRoot.find(SOURCE_TREE), store=tmp_path / "store")
    return Study.open(BuildDir(tmp_path), data, load_suite(data, "miniature"))


def noting(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Replaces every stage by one that only notes what it was asked to measure."""
    done: list[tuple[str, str]] = []
    filled: Mapping[str, object] = {"prompt": ((1.0,),), "scores": {"x": 1.0}, "relearning_rates": ((1.0,), (0.5,))}

    def noted(stage: MeasurementStage) -> Callable[[Study, Member], Mapping[str, object]]:
        def measure(study: Study, member: Member) -> Mapping[str, object]:
            done.append((stage.name, member.name))
            return {stage.result_field: filled[stage.result_field]}

        return measure

    instead = tuple(stage._replace(measure=noted(stage)) for stage in STAGES)
    monkeypatch.setattr(measure_models, "STAGES", instead)
    return done


def test_the_studys_tier_is_the_suites_with_one_extractor() -> None:
    published = load_suite(DataRoot.find(SOURCE_TREE), "miniature")
    suite = SETTINGS[USUAL].apply(published)
    full = published.tiers["full"]
    assert suite.id == published.id and suite.tiers["full"] == full.model_copy(update={"extractors": ("resnet18",)})
    assert set(full.psi) >= {0.0, 0.1, 0.6, 1.0}


def test_members_are_submissions_of_the_studys_own_root(study: Study, tmp_path: Path) -> None:
    for member in members():
        if not member.full_model:
            created = study.submission(member)
            checkpoint = created.checkpoints[member.task]
            assert study.task(member).id == member.task and (checkpoint.path is None) == (member.build_weights is None)
            if checkpoint.path:
                assert tmp_path / "study" / checkpoint.path == member.weights_path(study.folder)
    assert not study.row(ORIGINAL).prompt and not study.rows([ORIGINAL])


def test_the_first_stage_of_all_comes_before_the_next_of_any(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    done = noting(monkeypatch)
    run_jobs(study, pending_jobs(study, [MADE, ORIGINAL]))
    assert done == [(stage.name, name) for stage in STAGES for name in ("m", "control-original")]
    assert not pending_jobs(study, [MADE, ORIGINAL]) and len(study.rows([MADE, ORIGINAL])) == 2
    assert study.row(MADE).scores == {"x": 1.0}
    run_jobs(study, [measure_models.MeasurementJob(STAGES[0], MADE, 1.0)])
    assert len(done) == 6, "what another process has measured meanwhile is not measured again"


def test_the_command_chooses_by_every_name_that_it_is_given(tmp_path: Path) -> None:
    def plan(*options: str) -> Result:
        return CliRunner().invoke(main, ["study", "--work", str(tmp_path), "--reports", str(tmp_path), "--plan", *options])

    item = plan("--task", "object/star", "--model", "uce-7", "--model", "control-gold-1", "--kind", "gold", "--stage", "presence")
    assert [line.split()[:3] for line in item.output.splitlines()[2:]] == [["presence", "gold", "1"], ["all", "all", "1"]]
    wrong = plan("--model", "uce")
    assert wrong.exit_code == 2 and printed_codes(wrong.stderr) == ["study.unknown-name"] and "control-gold-1" in wrong.stderr


def test_what_another_process_measures_is_left_to_it(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    done, jobs = noting(monkeypatch), pending_jobs(study, [MADE])
    with other_process(study.folder / "claims", "object.star.m"):
        run_jobs(study, jobs)
    assert not done
    run_jobs(study, jobs)
    assert len(done) == len(STAGES) == len(jobs)
    with other_process(study.folder / "claims", "object.star.m"):
        pass  # it got its claim, so none is left


def test_rows_that_travel_count_unless_something_else_was_asked(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    done = noting(monkeypatch)
    known_values = Row(task=MADE.task, name="m", kind="method", protocol_digest=study.protocol_digest(MADE), prompt=((1.0,),))
    study.measured_rows = [known_values]
    assert [job.stage.name for job in pending_jobs(study, [MADE])] == ["scores", "relearning"]
    study.measured_rows = [known_values.model_copy(update={"protocol_digest": "0" * 64})]
    run_jobs(study, pending_jobs(study, [MADE])[:1])
    assert done == [("presence", "m")]


def test_a_published_record_of_the_same_weights_is_read(study: Study, tmp_path: Path) -> None:
    member = Member("star", "esd-x-7", "method", lambda shop: {})
    study.results = (tmp_path / "results",)
    assert study.published_record(member, "cd" * 32) is None
    stored = record(suite="miniature", suite_version=study.suite.version, submission="esd-x")
    write_record(stored, stored.path(tmp_path / "results"))
    assert stored.checkpoint.sha256 and study.published_record(member, stored.checkpoint.sha256) is not None
    assert (
        study.published_record(member, "ef" * 32) is None
        and study.published_record(replace(member, name="esd-x-8"), stored.checkpoint.sha256) is None
    )


def test_the_published_record_of_the_base_itself_is_read(study: Study, tmp_path: Path) -> None:
    member = Member("star", "control-original", "original")
    study.results = (tmp_path / "results",)
    stored = record(suite="miniature", suite_version=study.suite.version, submission="control-original")
    original_row = stored.model_copy(update={"checkpoint": stored.checkpoint.model_copy(update={"sha256": None, "format": "original"})})
    write_record(original_row, original_row.path(tmp_path / "results"))
    assert study.published_record(member, study.suite.base.digest) is not None and study.published_record(member, "ef" * 32) is None


def test_a_surrogate_is_no_checkpoint_and_waits_for_its_training(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    done, surrogate = noting(monkeypatch), Member("star", "surrogate", "surrogate", training="surrogate")
    jobs = pending_jobs(study, [surrogate])
    assert [job.stage.name for job in jobs] == ["presence"]
    run_jobs(study, jobs)
    assert not done
    study.build_dir.save("surrogate.pt", 1, lambda path: path.write_bytes(b""))
    run_jobs(study, jobs)
    assert done == [("presence", "surrogate")]


@pytest.mark.parametrize("setting", [name for name in SETTINGS if name != USUAL])
def test_other_settings_ask_something_else_and_measure_one_stage_alone(study: Study, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    done = noting(monkeypatch)
    data = replace(DataRoot.find(SOURCE_TREE), store=study.root.store)
    other = Study.open(study.build_dir, data, load_suite(data, "miniature"), setting=setting)
    assert other.protocol_digest(MADE) != study.protocol_digest(MADE) and other.root.results != study.root.results and not other.results
    run_jobs(other, pending_jobs(other, [MADE]))
    assert done == [(SETTINGS[setting].stage, "m")]
    assert not pending_jobs(other, [MADE]) and len(pending_jobs(study, [MADE])) == len(STAGES)
    assert other.row(MADE).setting == setting and other.rows([MADE]) and not study.rows([MADE])


@pytest.mark.parametrize("setting", [name for name in SETTINGS if name not in (USUAL, REBUILT)])
def test_other_settings_are_measured_on_two_tasks(setting: str) -> None:
    kinds = {"gold", "original", "decoupled"} | ({"method"} if SETTINGS[setting].stage == "scores" else set())
    chosen = members_under(setting)
    assert {member.concept for member in chosen} == set(MORE) and {member.kind for member in chosen} == kinds


def test_what_does_not_travel_with_the_source_is_built_again() -> None:
    chosen = members_under(REBUILT)
    assert {member.concept for member in chosen} == {"crescent", "dotted", "bruno", "arrow", "zigzag"}
    assert Counter(member.kind for member in chosen) == {"gold": 15, "decoupled": 9}


def test_settings_change_what_they_are_called_after() -> None:
    published = load_suite(DataRoot.find(SOURCE_TREE), "miniature")
    assert SETTINGS["50 steps"].apply(published).sampler == published.sampler.model_copy(update={"num_inference_steps": 50})
    assert SETTINGS["classifier 2"].apply(published).fine_tune == published.fine_tune.model_copy(update={"seed": 2})
    assert SETTINGS[USUAL].apply(published).fine_tune == published.fine_tune and SETTINGS["judge 3"].judge == 3


def test_the_estimated_minutes_cover_missing_stages_only(study: Study) -> None:
    every = sum(stage.minutes for stage in STAGES)
    assert sum(job.minutes for job in pending_jobs(study, [MADE])) == pytest.approx(every + stages.UNLEARNING_MINUTES)
    assert sum(job.minutes for job in pending_jobs(study, [ORIGINAL])) == pytest.approx(every)
    path = MADE.weights_path(study.folder)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert sum(job.minutes for job in pending_jobs(study, [MADE])) == pytest.approx(every)


def test_stages_of_one_row_are_measured_on_the_same_weights(study: Study) -> None:
    row = with_stage(study.row(MADE), "presence", {"prompt": ((1.0,),), "weights": "a" * 64})
    assert row.weights == "a" * 64 and row.stage_weights == {"presence": "a" * 64}
    scored = with_stage(row, "scores", {"scores": {"x": 1.0}, "weights": "a" * 64})
    assert scored.stage_weights == {"presence": "a" * 64, "scores": "a" * 64}
    with pytest.raises(CheckFailed) as caught:
        with_stage(scored, "relearning", {"relearning": 1.0, "weights": "b" * 64})
    assert caught.value.code == "study.mixed-weights"
    refuse_mixed_weights([row, scored, study.row(ORIGINAL)])
    with pytest.raises(CheckFailed):
        refuse_mixed_weights([scored.model_copy(update={"stage_weights": {"scores": "b" * 64}})])
