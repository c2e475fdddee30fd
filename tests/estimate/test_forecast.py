"""Plans: counted by hand, found in the store where they are, and fast for a thousand submissions."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codes import raises
from evaluation.tiny import tiny_root
from generate.small import plan
from unconceal.battery.run_battery import probe_shard
from unconceal.diffusion.families.bases import BASE_MODELS
from unconceal.diffusion.flops import denoiser_flops
from unconceal.estimate.forecast import Workload, forecast, workload_of
from unconceal.estimate.image_spec import ImageSpec, bytes_in, image_spec_of, images_in
from unconceal.estimate.runtime import CARD_TFLOPS, THREAD_TFLOPS, estimate_speed, format_duration, runtime_estimate
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import Generator, count_forward_passes
from unconceal.generate.identity import ComputeConfig
from unconceal.generate.plan import build_plan
from unconceal.generate.store import MODELS, Store
from unconceal.generate.throughput import Work, add_measurement
from unconceal.paths import DataRoot
from unconceal.specs.battery import Battery, Renoising
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.paper_protocol import ProtocolName
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

SD14 = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
SAFETY = {
    "rule": "safe-latent-diffusion",
    "concept": "star",
    "guidance_scale": 20,
    "warmup_steps": 1,
    "threshold": 0.01,
    "momentum_scale": 0,
    "momentum_beta": 0,
}
ARRAYS = {"original": np.zeros((2, 4, 4, 3), np.uint8)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def evaluation(root: DataRoot, tmp_path: Path) -> Evaluation:
    """With a store and results of its own."""
    return Evaluation(
        load_suite(root, "tiny"), replace(root, store=tmp_path / "store", results=tmp_path / "results"), "quick", shard_size=8
    )


def pairs(root: DataRoot, *names: str) -> list[tuple[Task, Submission]]:
    task = load_task(root, "tiny:object/star")
    return [(task, load_submission(root, f"tiny/{name}")) for name in names]


def test_pictures_and_bytes_are_those_that_are_written(tmp_path: Path) -> None:
    """Against the files of a real worker on a tiny pipeline: 64 pixels, 4×16×16 latents; headers are the rest."""
    from diffusion.pairs import trio
    from unconceal.diffusion.families.stable_diffusion import StableDiffusion

    pipes, store, canvas = trio(tmp_path / "pipes"), Store(tmp_path / "store"), ImageSpec(64, 4 * 16**2, None)
    worker = Generator(store, StableDiffusion(pipes["original"], 4, 5.0), StableDiffusion(pipes["unet"], 4, 5.0))
    block = plan().evaluation
    for trajectory, second in zip(block.trajectories, block.handovers, strict=True):
        worker.handover(second, trajectory)
    for shard in (*block.trajectories, *block.handovers):
        arrays = store.get(shard)
        assert arrays is not None
        assert sum(len(value) for value in arrays.values() if value.ndim == 4 and value.shape[-1] == 3) == images_in(shard)
        assert sum(value.nbytes for value in arrays.values()) == bytes_in(shard, canvas)


def test_the_original_is_counted_once_however_many_submissions_there_are(evaluation: Evaluation, root: DataRoot) -> None:
    """By hand: 10 forget and 12 retain prompts, 4 steps; ψ = 0, .25, .55, 1 are k = 0, 1, 2, 4. Two rows a guided step, one without."""
    item, two = (forecast(evaluation, pairs(root, *names)) for names in (("esd-x",), ("esd-x", "control-gold-1")))
    theta = (20 + 20 + 20 + 12 + 24) * 4 * 2 + 12 * 4
    per_submission = (20 + 20 + 24) * 4 * 2 + 20 * 3 * (4 + 3 + 2) + 12 * 3 * 4
    assert item.total.forward_passes == theta + per_submission and two.total.forward_passes == theta + 2 * per_submission
    assert (item.total.stored, two.evaluations) == (0, 2)


def with_battery(evaluation: Evaluation) -> Evaluation:
    """Relearning and renoising at k = 1 and 2."""
    suite = evaluation.suite
    tier = suite.tiers["quick"].model_copy(update={"probes": ("relearning", "renoising")})
    battery = Battery(renoising=Renoising(psi=(0.25, 0.55)))
    return replace(evaluation, suite=suite.model_copy(update={"tiers": {"quick": tier}, "battery": battery}))


RELEARNING = 6 * 2 * 4 * 4 * 2 + 40 * 8 + 2 * 40 * 8
"""Six of ten prompts, two images each at four levels, four steps of two passes; 40 steps of 8 rows forward and, twice, back."""
RENOISING = 10 * (2 + 1) * (3 + 2)


def test_the_battery_is_counted_for_the_original_and_for_every_submission(evaluation: Evaluation, root: DataRoot) -> None:
    """θ's images that probes work from: two for each of ten prompts, one for each of twelve others."""
    requested, complete = pairs(root, "esd-x", "control-gold-1", "control-original"), with_battery(evaluation)
    plain, result = forecast(evaluation, requested).tasks["object/star"], forecast(complete, requested).tasks["object/star"]
    examples = (10 * 2 + 12) * 4 * 2
    assert result.shared.forward_passes - plain.shared.forward_passes == examples + RELEARNING + RENOISING
    for name in ("esd-x", "control-gold-1"):
        added = result.submissions[name].forward_passes - plain.submissions[name].forward_passes
        assert added == RELEARNING + RENOISING
        assert result.submissions[name].shards - plain.submissions[name].shards == 2
    assert result.submissions["control-original"] == plain.submissions["control-original"], "θ's own probes are shared"
    assert forecast(complete, requested, scheduled_only=True).total == forecast(evaluation, requested).total


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_a_rule_costs_its_own_passes(evaluation: Evaluation, root: DataRoot, protocol: ProtocolName) -> None:
    """Safe latent diffusion: three a step in both arms, for the handover and for probes; training takes as many as anybody's."""
    task, weights = pairs(root, "esd-x")[0]
    checkpoint = Checkpoint.model_validate({"format": "original", "inference": SAFETY})
    ruled = weights.model_copy(update={"name": "sld", "checkpoints": {task.id: checkpoint}})
    complete = with_battery(evaluation) if protocol == "standard" else replace(evaluation, tier_name="full", protocol=protocol)
    plain, result = (forecast(complete, [(task, submission)]).tasks["object/star"] for submission in (weights, ruled))
    assert plain.shared == result.shared
    (before,), (after,) = plain.submissions.values(), result.submissions.values()
    if protocol == "paper":
        assert 2 * after.forward_passes == 3 * before.forward_passes
    else:
        # Handover steps of either arm: without a rule two passes and one.
        steps = {"prompt": 0, "empty": 0}
        for shard in dict.fromkeys(complete.plan_for(task, "c").shards):
            for arm in () if shard.is_originals else shard.arms:
                steps[arm] += len(shard.images) * sum(4 - k for k in shard.handovers)
        assert before.forward_passes == 2 * steps["prompt"] + steps["empty"] + RENOISING + RELEARNING
        assert after.forward_passes == 3 * sum(steps.values()) + 2 * RENOISING + RELEARNING + 6 * 2 * 4 * 4


def test_stored_probes_cost_nothing(evaluation: Evaluation, root: DataRoot) -> None:
    (task, submission), complete = pairs(root, "esd-x")[0], with_battery(evaluation)
    before = forecast(complete, [(task, submission)]).tasks["object/star"]
    digest = complete.weights_digest(task, submission)
    assert digest is not None
    complete.store.put(probe_shard(complete, task, "relearning", digest), ARRAYS)
    complete.store.put(probe_shard(complete, task, "renoising", complete.suite.base.digest), ARRAYS)
    after = forecast(complete, [(task, submission)]).tasks["object/star"]
    assert before.submissions["esd-x"].forward_passes - after.submissions["esd-x"].forward_passes == RELEARNING
    assert before.shared.forward_passes - after.shared.forward_passes == RENOISING
    assert (after.submissions["esd-x"].stored, after.shared.stored) == (1, 1)


def test_what_is_stored_is_found_by_model(evaluation: Evaluation, root: DataRoot) -> None:
    requested, store = pairs(root, "esd-x", "control-gold-1"), evaluation.store
    first_plan = evaluation.plan(*requested[0])
    for shard in (first_plan.train.trajectories[0], first_plan.train.handovers[0], first_plan.evaluation.handovers[1]):
        store.put(shard, ARRAYS)
    result = forecast(evaluation, requested).tasks["object/star"]
    assert (result.shared.stored, result.submissions["esd-x"].stored, result.submissions["control-gold-1"].stored) == (1, 2, 0)
    assert (store.registered_models() or frozenset()) == frozenset(
        {first_plan.train.trajectories[0].model, first_plan.train.handovers[0].model}
    )


def test_a_store_that_does_not_list_its_models_is_asked_cell_by_cell(evaluation: Evaluation, root: DataRoot) -> None:
    requested = pairs(root, "esd-x")
    shard = evaluation.plan(*requested[0]).train.handovers[0]
    evaluation.store.put(shard, ARRAYS)
    for path in (evaluation.store.root / MODELS).iterdir():
        path.unlink()
    (evaluation.store.root / MODELS).rmdir()
    assert evaluation.store.registered_models() is None
    assert forecast(evaluation, requested).total.stored == 1
    Store(evaluation.store.root).put(evaluation.plan(*requested[0]).train.handovers[1], ARRAYS)
    assert evaluation.store.registered_models() is None, "half a list would hide what was there before"


def test_a_submission_without_the_task_is_refused(evaluation: Evaluation, root: DataRoot) -> None:
    task, submission = pairs(root, "esd-x")[0]
    with raises("submission.no-checkpoint"):
        forecast(evaluation, [(task.model_copy(update={"concept": "moon"}), submission)])


def made_suite(root: DataRoot) -> Suite:
    """At the size of miniature's full tier."""
    return load_suite(root, "tiny").model_copy(update={"tiers": {"quick": load_suite(DataRoot.find(), "miniature").tiers["full"]}})


def renamed(task: Task, n: int) -> Task:
    """With prompts of its own."""
    forget = tuple(prompt.model_copy(update={"text": f"{prompt.text} {n}"}) for prompt in task.forget)
    return task.model_copy(update={"concept": f"concept-{n}", "forget": forget})


def made_submission(m: int, tasks: list[Task]) -> Submission:
    checkpoints = {
        task.id: Checkpoint.model_construct(path=f"none/{m}-{n}.safetensors", sha256=f"{m * 1000 + n:064x}") for n, task in enumerate(tasks)
    }
    return Submission.model_construct(name=f"method-{m}", suite="tiny", title="M", description="M.", checkpoints=checkpoints)


def test_a_thousand_submissions_on_a_hundred_tasks_are_planned_in_ten_seconds(evaluation: Evaluation, root: DataRoot) -> None:
    suite, task = made_suite(root), load_task(DataRoot.find(), "miniature:object/star")
    tasks = [renamed(task, n) for n in range(100)]
    submissions = [made_submission(m, tasks) for m in range(1000)]
    big = replace(evaluation, suite=suite)
    stored = build_plan(suite, big.tier, tasks[3], suite.base.digest, f"{7 * 1000 + 3:064x}", big.compute_config)
    for shard in (stored.train.handovers[0], stored.train.trajectories[0]):
        big.store.put(shard, ARRAYS)
    started = time.process_time()
    result = forecast(big, [(item, submission) for submission in submissions for item in tasks])
    lines = runtime_estimate(big, result, workers=64)
    assert time.process_time() - started < 10
    assert result.evaluations == 100_000 and result.total.stored == 2
    assert result.tasks["object/concept-3"].submissions["method-7"].stored == 1
    assert len(list(result.table())) == 200 and "64 workers" in lines[-1]
    per_submission = {item.submissions[f"method-{m}"] for item in result.tasks.values() for m in (0, 999)}
    assert len(per_submission) == 1 and result.total.forward_passes > 100_000 * per_submission.pop().forward_passes


def test_time_comes_from_what_was_measured_here(evaluation: Evaluation, root: DataRoot) -> None:
    result, canvas = forecast(evaluation, pairs(root, "esd-x")), image_spec_of(evaluation.suite, evaluation.root)
    assumed = estimate_speed(evaluation, canvas)
    assert assumed is not None and canvas.teraflop is not None
    assert assumed.forward_passes_per_second == pytest.approx(THREAD_TFLOPS / canvas.teraflop) and "assumed" in assumed.source
    work = Work.on_this_machine("rows", evaluation.suite.base.digest, evaluation.compute_config)
    add_measurement(evaluation.store.root, work, 1000, 10)
    add_measurement(evaluation.store.root, work, 500, 10)
    speed = estimate_speed(evaluation, canvas)
    assert speed is not None and speed.forward_passes_per_second == 75 and "measured on this machine" in speed.source
    assert f"about {format_duration(result.total.forward_passes / 75 / 2)}, 2 workers" in runtime_estimate(evaluation, result, 2)[-1]
    other = replace(evaluation, threads=2)
    assert "assumed" in runtime_estimate(other, result)[-1], "another layout was not measured"


def test_a_disk_that_does_not_suffice_is_said(evaluation: Evaluation, root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unconceal.estimate.runtime.free_bytes", lambda folder: 10)
    assert "NOT ENOUGH" in runtime_estimate(evaluation, forecast(evaluation, pairs(root, "esd-x")))[1]


def test_the_table_of_bases_says_what_torch_counts() -> None:
    sd14 = next(base for base in BASE_MODELS if base.repo.endswith("v1-4"))
    assert denoiser_flops(SD14, 64) / 1e12 == pytest.approx(sd14.teraflop, rel=0.01)


@pytest.mark.parametrize(("tier", "limit"), [("quick", 10), ("full", 60)])
def test_a_task_of_sd14_is_planned_within_its_time(tier: str, limit: float) -> None:
    """θ's trajectories and one submission, nothing stored yet, in minutes of an H100-class card."""
    root = DataRoot.find()
    suite, task = load_suite(root, "sd14"), load_task(root, "sd14:object/church")
    canvas = image_spec_of(suite, root)
    assert canvas == ImageSpec(512, 4 * 64**2, 0.803)
    compute = ComputeConfig("cuda", "bfloat16", 1, 128, 16)
    shards = build_plan(suite, suite.tiers[tier], task, "b" * 64, "c" * 64, compute).shards  # type: ignore[index]
    result = workload_of(len(shards), shards, canvas)
    assert result.forward_passes == sum(map(count_forward_passes, shards))
    assert limit / 10 < result.forward_passes * 0.803 / CARD_TFLOPS["bfloat16"] / 60 <= limit


def test_a_base_on_this_machine_is_asked_for_its_size() -> None:
    root = DataRoot.find()
    canvas = image_spec_of(load_suite(root, "miniature"), root)
    assert (canvas.pixels, canvas.latents) == (64, 4 * 16**2) and canvas.teraflop and 1e-4 < canvas.teraflop < 1e-2


def test_needs_add_up() -> None:
    assert Workload(1, 2, 3, 4, 5) + Workload(10, 20, 30, 40, 50) == Workload(11, 22, 33, 44, 55)


@pytest.mark.parametrize(("seconds", "output"), [(3, "3 s"), (600, "10 min"), (9000, "2.5 h"), (864_000, "10 days")])
def test_durations_are_spelled(seconds: float, output: str) -> None:
    assert format_duration(seconds) == output
