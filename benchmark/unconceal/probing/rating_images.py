"""θ's pictures of the target and of each neighbour, as PNG files to be shown side by side."""

from __future__ import annotations

import io

from PIL import Image

from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import Generator, Pixels, count_forward_passes
from unconceal.generate.plan import prompts_per_neighbour
from unconceal.probes.rate_images import ImagePairs
from unconceal.probing.probe_images import original_images
from unconceal.probing.run_probes import probing_rules, shard_planner
from unconceal.specs.task import Task


def image_pairs(evaluation: Evaluation, task: Task, pairs: int) -> ImagePairs:
    """For each neighbour so many pairs: θ's picture of the target and of it, with the prompts of the same number, on the gate's seeds.

    The pictures are those that decide what is eligible, found in the store where a submission was probed before.

    Raises:
        UsageError: the suite or the task says nothing of neighbours.
    """
    suite, each = evaluation.suite, prompts_per_neighbour(probing_rules(evaluation, task), task)
    count, start = min(pairs, each, len(task.forget)), suite.seed_starts.reference
    cut = shard_planner(evaluation, suite.base.digest)
    targets = cut.original_only("targets", [prompt.text for prompt in task.forget[:count]], start, 1)
    shown = [text for neighbour in task.neighbours for text in neighbour.prompts[:each]]
    gate = cut.original_only("gate", shown, start, probing_rules(evaluation, task).gate_seeds)
    stage = evaluation.progress.stage("drawing what is shown", sum(map(count_forward_passes, (*targets.trajectories, *gate.trajectories))))
    base = evaluation.original()
    worker = Generator(evaluation.store, base, base, stage.advance)
    of_target, of_neighbours = original_images(worker, targets), original_images(worker, gate)
    return {
        neighbour.concept: [(png(of_target.image(i)), png(of_neighbours.image(place * each + i))) for i in range(count)]
        for place, neighbour in enumerate(task.neighbours)
    }


def png(pixels: Pixels) -> bytes:
    """One picture (h, w, 3) as a PNG file."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()
