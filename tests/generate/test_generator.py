from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from diffusion.pairs import trio
from generate.small import plan
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.generate.generator import OWN_DECODER, Generator, branch_name, count_forward_passes
from unconceal.generate.identity import Shard
from unconceal.generate.plan import Plan
from unconceal.generate.store import Store


class Pair(NamedTuple):
    original: Model
    unlearned: Model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """θ, and by the part that differs from it, other models."""
    # Fixtures of a module come before the one that sets the threads, and another number of threads is another layout.
    torch.set_num_threads(1)
    return {name: StableDiffusion(pipe, 4, 5.0) for name, pipe in trio(tmp_path_factory.mktemp("pair")).items()}


@pytest.fixture(scope="module")
def pair(models: dict[str, Model]) -> Pair:
    return Pair(models["original"], models["unet"])


@pytest.fixture(scope="module")
def finished(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Everything of the plan, generated once; not to be written to."""
    store = Store(tmp_path_factory.mktemp("finished"))
    generate(Generator(store, *pair), plan())
    return store


def generate(worker: Generator, whole: Plan) -> None:
    """As an evaluation asks for it."""
    for block in whole.blocks:
        for actual, expected in zip(block.trajectories, block.handovers, strict=True):
            worker.trajectory(actual)
            worker.handover(expected, actual)


def contents(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.root.glob("??/*")}


def copy_of(store: Store, folder: Path) -> Store:
    other = Store(folder)
    for shard in plan().shards:
        other.path(shard).parent.mkdir(parents=True, exist_ok=True)
        other.path(shard).write_bytes(store.path(shard).read_bytes())
    return other


def test_shards_hold_the_samplers_pictures(pair: Pair, finished: Store) -> None:
    actual, expected = plan().evaluation.trajectories[0], plan().evaluation.handovers[0]
    prompts, seeds = [p.prompt for p in actual.images], [p.seed for p in actual.images]
    run = run_original(pair.original, prompts, seeds, (0, 1, 2, 4), 64)
    branches, _ = hand_over(pair.unlearned, pair.original, prompts, run.latents, ("prompt", "empty"), 64)
    message, image_list = finished.get(actual), finished.get(expected)
    assert message is not None and image_list is not None
    assert set(message) == {"original", *(f"latents.{k:04d}" for k in (0, 1, 2, 4)), *(f"clean.{k:04d}" for k in (1, 2, 4))}
    assert all(np.array_equal(message[f"latents.{k:04d}"], run.latents[k].numpy()) for k in (0, 1, 2, 4))
    assert all(np.array_equal(message[f"clean.{k:04d}"], pair.original.decode(run.clean_latents[k])) for k in (1, 2, 4))
    assert np.array_equal(message["original"], pair.original.decode(run.latents[4]))
    assert set(image_list) == {branch_name(arm, k) for arm, k in branches}
    assert all(np.array_equal(image_list[branch_name(arm, k)], pair.original.decode(latents)) for (arm, k), latents in branches.items())


def test_the_originals_decoder_decodes_and_the_submissions_own_is_kept_beside(models: dict[str, Model], tmp_path: Path) -> None:
    """Another decoder changes no branch, and adds λU as that decoder shows it."""
    block, pairs = plan().evaluation, {name: Pair(models["original"], models[name]) for name in ("original", "decoder")}
    stores = {name: Generator(Store(tmp_path / name), *pair) for name, pair in pairs.items()}
    untouched, decoded = (stores[name].handover(block.handovers[0], block.trajectories[0]) for name in ("original", "decoder"))
    assert set(decoded) - set(untouched) == {OWN_DECODER}
    assert all(np.array_equal(decoded[name], pixels) for name, pixels in untouched.items())
    latents = torch.from_numpy(stores["original"].trajectory(block.trajectories[0])["latents.0000"])
    prompts = [image.prompt for image in block.handovers[0].images]
    finished, _ = hand_over(models["original"], models["original"], prompts, {0: latents}, ("prompt",), 64)
    own = models["decoder"].decode(finished["prompt", 0])
    assert np.abs(own.astype(int) - decoded[OWN_DECODER].astype(int)).max() <= 1
    assert not np.array_equal(decoded[OWN_DECODER], decoded[branch_name("prompt", 0)])


def test_the_original_itself_continues_its_retained_images(pair: Pair, models: dict[str, Model], tmp_path: Path) -> None:
    """Whichever submission is loaded: the shard is shared by all."""
    block = plan().retain_original
    generators = [Generator(Store(tmp_path / str(n)), *each) for n, each in enumerate((pair, Pair(pair.original, pair.original)))]
    with_submission, alone = (each.handover(block.handovers[0], block.trajectories[0]) for each in generators)
    assert set(alone) == {"empty.0000", "empty.0004"}
    assert all(np.array_equal(with_submission[name], pixels) for name, pixels in alone.items())
    own = generators[0].handover(plan().retain.handovers[0], plan().retain.trajectories[0])
    assert not np.array_equal(own["empty.0000"], alone["empty.0000"]) and np.array_equal(own["empty.0004"], alone["empty.0004"])


def test_rows_are_counted_and_told_once(pair: Pair, tmp_path: Path) -> None:
    answers: list[int] = []
    rows: list[int] = []
    hooks = [model.pipeline.unet.register_forward_pre_hook(lambda unet, inputs: rows.append(len(inputs[0]))) for model in pair]
    worker = Generator(Store(tmp_path), *pair, advance=answers.append)
    generate(worker, plan())
    for hook in hooks:
        hook.remove()
    total = sum(map(count_forward_passes, plan().shards))
    assert worker.forward_passes == sum(rows) == sum(answers) == total and len(answers) == len(plan().shards)


def test_a_second_run_generates_nothing(pair: Pair, finished: Store) -> None:
    before, answers = contents(finished), list[int]()
    worker = Generator(finished, *pair, advance=answers.append)
    generate(worker, plan())
    assert worker.forward_passes == 0 and worker.seconds == 0 and contents(finished) == before
    assert sum(answers) == sum(map(count_forward_passes, plan().shards))


def test_a_killed_run_resumes_to_equal_bytes(pair: Pair, finished: Store, tmp_path: Path) -> None:
    store, completed = Store(tmp_path), list[int]()

    def killed(rows: int) -> None:
        completed.append(rows)
        if len(completed) == 5:
            raise KeyboardInterrupt

    first, second = Generator(store, *pair, advance=killed), Generator(store, *pair)
    with pytest.raises(KeyboardInterrupt):
        generate(first, plan())
    assert len(contents(store)) == 5
    generate(second, plan())
    assert first.forward_passes + second.forward_passes == sum(map(count_forward_passes, plan().shards)) and first.forward_passes == sum(
        completed
    )
    assert contents(store) == contents(finished)


def test_another_order_of_work_gives_equal_bytes(pair: Pair, finished: Store, tmp_path: Path) -> None:
    """Backwards, and asking for the handovers alone, which make the trajectories that they need."""
    worker = Generator(Store(tmp_path), *pair)
    for block in reversed(plan().blocks):
        for actual, expected in reversed(list(zip(block.trajectories, block.handovers, strict=True))):
            worker.handover(expected, actual)
    assert contents(worker.store) == contents(finished)


@pytest.mark.parametrize("harm", [lambda whole: whole[:-1], lambda whole: whole[:-1] + bytes([whole[-1] ^ 1])])
def test_a_damaged_shard_alone_is_made_anew(pair: Pair, finished: Store, tmp_path: Path, harm: object) -> None:
    assert callable(harm)
    store, damaged = copy_of(finished, tmp_path), plan().evaluation.handovers[0]
    store.path(damaged).write_bytes(harm(store.path(damaged).read_bytes()))
    worker = Generator(store, *pair)
    generate(worker, plan())
    assert worker.forward_passes == count_forward_passes(damaged) and contents(store) == contents(finished)


def test_another_submission_reuses_the_originals_shards(pair: Pair, finished: Store, tmp_path: Path) -> None:
    other, store = plan("d" * 64), copy_of(finished, tmp_path)
    worker = Generator(store, *pair)
    generate(worker, other)
    created = [shard for shard in other.shards if not shard.is_originals]
    assert worker.forward_passes == sum(map(count_forward_passes, created))


def test_time_is_noted_once(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that counts its readings: each of the two shards takes one interval, and none includes the other."""
    readings = iter(range(1000))
    monkeypatch.setattr("unconceal.generate.generator.time.perf_counter", lambda: float(next(readings)))
    worker = Generator(Store(tmp_path), *pair)
    worker.handover(plan().retain.handovers[0], plan().retain.trajectories[0])
    assert worker.seconds == 2


def test_latents_in_another_precision_survive_the_store(pair: Pair, tmp_path: Path) -> None:
    """They are kept as float32, which holds every bfloat16."""
    trajectory = plan().retain.trajectories[0]
    low = StableDiffusion(pair.original.pipeline, 4, 5.0)
    message = Generator(Store(tmp_path), low, low).trajectory(trajectory)
    assert all(value.dtype == np.float32 for name, value in message.items() if name.startswith("latents"))
    values = torch.randn(1000).bfloat16()
    assert torch.equal(torch.from_numpy(values.float().numpy()).bfloat16(), values)


def test_rows_by_hand() -> None:
    """Two pictures, four steps: two rows a step with guidance, one without; only the steps after the handover."""
    expected = plan().evaluation.handovers[0]
    assert isinstance(expected, Shard) and len(expected.images) == 4
    assert count_forward_passes(plan().evaluation.trajectories[0]) == 4 * 2 * 4
    assert count_forward_passes(expected) == 4 * (2 + 1) * (4 + 3 + 2 + 0)
    assert count_forward_passes(replace(expected, arms=("own-empty",))) == 4 * (4 + 3 + 2 + 0)
