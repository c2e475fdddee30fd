"""Compare a gold trained from scratch with the continued golds: presence over ψ, both arms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.errors import CheckFailed
from unconceal.evaluation import measurements
from unconceal.evaluation.curves import mean_score, presence_curves
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.verdict_scores import presence_curve, prompt_rates
from unconceal.generate.generator import Generator
from unconceal.generate.plan import build_plan
from unconceal.metrics.presence import excess_retrieval
from unconceal.specs.digests import file_digest
from unconceal.specs.loader import load_submission
from unconceal.specs.record import Curve, Record
from unconceal.specs.task import Task
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.models import denoiser

SCRATCH, PAGE, FIGURE = "gold-scratch", "scratch-gold.md", "scratch-gold.png"
ORIGINAL = "control-original"
INTRODUCTION = """\
**Measured on suite miniature, version 1 (superseded), task *star*.** Version 2 has other prompts and golds.

The golds of this suite continue from a common ancestor, so they share most of their training with the base model. `gold-scratch` shares
only the VAE and the tokenizer. It was trained from random weights on the world without {concept}, for as many steps as ancestor and
continuation together ({steps}). The tables give the share of {images} images after a handover in which the concept judge sees {concept};
tier {tier}.

![presence over ψ](scratch-gold.png)

Blue: the three continued golds, mean and range. Orange: the gold trained from scratch, with its 95 % confidence interval. Dashed: the
original model.
"""


def measure_curves(build_dir: BuildDir, evaluation: Evaluation, task: Task, name: str = SCRATCH) -> list[Curve]:
    """Measure presence over ψ of a denoiser from the build directory, which need not be a submission.

    The denoiser may have any size but must share the base model's latents. Images are stored as a submission's are.

    Args:
        build_dir: the build directory.
        evaluation: supplies the suite, tier and store.
        task: the task whose concept is judged.
        name: name of the denoiser in the build directory.

    Returns:
        One presence curve per arm.
    """
    sampler = evaluation.suite.sampler
    base = evaluation.suite_models.base
    pipeline = denoiser.to_pipeline(build_dir.denoiser(name), build_dir.vae, build_dir.tokenizer)
    unlearned, original = (StableDiffusion(model, sampler.num_inference_steps, sampler.guidance_scale) for model in (pipeline, base))
    digest = file_digest(build_dir.folder / f"{name}.pt")
    plan = build_plan(evaluation.suite, evaluation.tier, task, evaluation.suite.base.digest, digest, evaluation.compute_config)
    images = measurements.generate_block(Generator(evaluation.store, original, unlearned), plan.evaluation)
    return presence_curves(measurements.presence(evaluation.suite_models.judge, images, task), plan.evaluation.k)


def reference_records(evaluation: Evaluation, task: Task) -> tuple[Record, list[Record]]:
    """Records of the original model and of the continued golds.

    Raises:
        CheckFailed: one of them is not stored.
    """
    original = evaluation.stored_record(task, load_submission(evaluation.root, f"{evaluation.suite.name}/{ORIGINAL}"))
    golds = evaluation.gold_records(task)
    if original is None or len(golds) < len(task.golds):
        consequence = "has no record of its original model or of a gold, so there is nothing to compare with"
        raise CheckFailed("report.no-record", task.id, consequence, "evaluate them with `unconceal run` first")
    return original, golds


def page(evaluation: Evaluation, task: Task, scratch: Sequence[Curve], steps: int) -> str:
    """Render the page as Markdown: introduction, then presence over ψ and excess retrieval for each arm.

    Args:
        evaluation: supplies the stored records.
        task: the task that was measured.
        scratch: curves of the gold trained from scratch.
        steps: its number of training steps.
    """
    original, golds = reference_records(evaluation, task)
    images = len(scratch[0].per_prompt) * evaluation.tier.seeds.evaluation
    text = INTRODUCTION.format(concept=task.concept, steps=steps, images=images, tier=evaluation.tier_name)
    original_rate = float(prompt_rates(presence_curve(original, "prompt"))[:, -1].mean())
    for curve in scratch:
        assert curve.arm
        gold_values = np.array([presence_curve(gold, curve.arm).value for gold in golds], float)
        gold_rates = np.stack([prompt_rates(presence_curve(gold, curve.arm)) for gold in golds])
        excess = excess_retrieval(curve.psi, prompt_rates(curve), gold_rates, original_rate, evaluation.suite.scores.excess_psi)
        score = mean_score(excess)
        rows = [
            [
                f"{psi:g}",
                *(f"{value:.2f}" for value in gold_values[:, i]),
                f"{curve.value[i]:.2f} [{curve.low[i]:.2f}, {curve.high[i]:.2f}]",
            ]
            for i, psi in enumerate(curve.psi)
        ]
        headers = ("ψ", *(gold.submission for gold in golds), "from scratch [95 %]")
        table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
        summary = f"Excess retrieval over the continued golds, as verdicts use it: {score.value:.2f} [{score.low:.2f}, {score.high:.2f}]."
        text += f"\n## {curve.arm.capitalize()} arm\n\n{summary}\n\n{table}\n"
    return f"# Continued golds compared with a gold trained from scratch\n\n{text}"


def figure(evaluation: Evaluation, task: Task, scratch: Sequence[Curve], path: Path) -> None:
    """Write a PNG with one panel per arm."""
    original, golds = reference_records(evaluation, task)
    canvas = Figure(figsize=(8, 3), layout="constrained")
    for axes, curve in zip(np.atleast_1d(canvas.subplots(1, len(scratch), sharey=True)), scratch, strict=True):
        assert curve.arm
        gold_values = np.array([presence_curve(gold, curve.arm).value for gold in golds], float)
        axes.fill_between(curve.psi, gold_values.min(0), gold_values.max(0), color="#4a7fb5", alpha=0.25, linewidth=0)
        axes.plot(curve.psi, gold_values.mean(0), color="#4a7fb5", label="golds, continued")
        axes.fill_between(curve.psi, np.array(curve.low, float), np.array(curve.high, float), color="#d9822b", alpha=0.2, linewidth=0)
        axes.plot(curve.psi, np.array(curve.value, float), color="#d9822b", marker="o", markersize=3, label="gold, from scratch")
        axes.plot(curve.psi, np.array(presence_curve(original, curve.arm).value, float), color="0.5", linestyle="--", label="original")
        axes.set(title=f"{curve.arm} arm", xlabel="ψ", ylim=(-0.02, 1.02))
    canvas.axes[0].set_ylabel(f"share judged {task.concept}")
    canvas.axes[0].legend(frameon=False, fontsize=8)
    canvas.savefig(path, dpi=110, metadata={"Software": ""})
