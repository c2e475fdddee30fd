"""θ's images of the target and of each neighbour, as PNG files for image ratings."""

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
    """Pairs of θ's images of the target and of a neighbour, by neighbour.

    The images are those of the gate, on its seeds; they are reused if a submission was probed before.

    Args:
        evaluation: the settings of the run.
        task: whose neighbours are shown.
        pairs: maximum number of pairs per neighbour.

    Raises:
        UsageError: the suite or the task has no neighbours.
    """
    suite, rules = evaluation.suite, probing_rules(evaluation, task)
    n_prompts = prompts_per_neighbour(rules, task)
    count, start = min(pairs, n_prompts, len(task.forget)), suite.seed_starts.reference
    planner = shard_planner(evaluation, suite.base.digest)
    target_block = planner.original_only("targets", [prompt.text for prompt in task.forget[:count]], start, 1)
    texts = [text for neighbour in task.neighbours for text in neighbour.prompts[:n_prompts]]
    gate_block = planner.original_only("gate", texts, start, rules.gate_seeds)
    total = sum(map(count_forward_passes, (*target_block.trajectories, *gate_block.trajectories)))
    stage = evaluation.progress.stage("generating images to rate", total)
    base = evaluation.original()
    generator = Generator(evaluation.store, base, base, stage.advance)
    targets, neighbours = original_images(generator, target_block), original_images(generator, gate_block)
    return {
        neighbour.concept: [(png(targets.image(i)), png(neighbours.image(index * n_prompts + i))) for i in range(count)]
        for index, neighbour in enumerate(task.neighbours)
    }


def png(pixels: Pixels) -> bytes:
    """One image (h, w, 3) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
