"""Golds that continue from an ancestor are a shortcut. Here one trained from nothing is held against them: presence over ψ, both arms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.errors import CheckFailed
from unconceal.evaluation import measurements
from unconceal.evaluation.compute_verdict import presence_curve, prompt_rates
from unconceal.evaluation.curves import mean_score, presence_curves
from unconceal.evaluation.evaluation import Evaluation
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
EXPLAINED = """\
**Measured on suite miniature, version 1 (superseded), task *star*.** The rows of version 2 have other prompts and golds.

The golds of this suite continue from a common ancestor and so share most of their training with the base. `gold-scratch` shares nothing
but VAE and tokenizer: it was trained from nothing, on the world without {concept}, for as many steps as ancestor and continuation together
({steps}). Share of {images} handed-over pictures in which the concept judge sees {concept}, tier {tier}:

![presence over ψ](scratch-gold.png)

Lines: the three continued golds (blue, with their range), the gold from scratch (orange, with its 95 % interval), the original model
(dashed).
"""


def measure_curves(shop: BuildDir, evaluation: Evaluation, task: Task, name: str = SCRATCH) -> list[Curve]:
    """Presence curves of a denoiser of any size that shares the base's latents, its pictures kept in the store like any submission's."""
    sampler = evaluation.suite.sampler
    base = evaluation.suite_models.base
    pipe = denoiser.to_pipeline(shop.denoiser(name), shop.vae, shop.tokenizer)
    other, original = (StableDiffusion(part, sampler.num_inference_steps, sampler.guidance_scale) for part in (pipe, base))
    digest = file_digest(shop.folder / f"{name}.pt")
    plan = build_plan(evaluation.suite, evaluation.tier, task, evaluation.suite.base.digest, digest, evaluation.compute_config)
    pictures = measurements.generate_block(Generator(evaluation.store, original, other), plan.evaluation)
    return presence_curves(measurements.presence(evaluation.suite_models.judge, pictures, task), plan.evaluation.k)


def records(evaluation: Evaluation, task: Task) -> tuple[Record, list[Record]]:
    """The original's record and the continued golds'.

    Raises:
        CheckFailed: one of them has not been measured.
    """
    original = evaluation.stored_record(task, load_submission(evaluation.root, f"{evaluation.suite.name}/{ORIGINAL}"))
    golds = evaluation.gold_records(task)
    if original is None or len(golds) < len(task.golds):
        raise CheckFailed(
            "report.no-record", task.id, "lacks records of its original or its golds, so there is nothing to compare with", "run them first"
        )
    return original, golds


def page(evaluation: Evaluation, task: Task, scratch: Sequence[Curve], steps: int) -> str:
    """The document: the figure's explanation, a table over ψ, and the excess over the continued golds."""
    original, golds = records(evaluation, task)
    images = len(scratch[0].per_prompt) * evaluation.tier.seeds.evaluation
    text = EXPLAINED.format(concept=task.concept, steps=steps, images=images, tier=evaluation.tier_name)
    for curve in scratch:
        assert curve.arm
        of_golds = np.array([presence_curve(gold, curve.arm).value for gold in golds], float)
        own = prompt_rates(presence_curve(original, "prompt"))[:, -1].mean()
        stacked = np.stack([prompt_rates(presence_curve(gold, curve.arm)) for gold in golds])
        over = excess_retrieval(curve.psi, prompt_rates(curve), stacked, float(own), evaluation.suite.scores.excess_psi)
        score = mean_score(over)
        rows = [
            [f"{psi:g}", *(f"{value:.2f}" for value in of_golds[:, i]), f"{curve.value[i]:.2f} [{curve.low[i]:.2f}, {curve.high[i]:.2f}]"]
            for i, psi in enumerate(curve.psi)
        ]
        headers = ("ψ", *(gold.submission for gold in golds), "from scratch [95 %]")
        table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
        summary = f"Excess over the continued golds, as a verdict reads it: {score.value:.2f} [{score.low:.2f}, {score.high:.2f}]."
        text += f"\n## {curve.arm.capitalize()} arm\n\n{summary}\n\n{table}\n"
    return f"# Golds continued from an ancestor against one trained from scratch\n\n{text}"


def figure(evaluation: Evaluation, task: Task, scratch: Sequence[Curve], path: Path) -> None:
    """Both arms side by side, as PNG."""
    original, golds = records(evaluation, task)
    sheet = Figure(figsize=(8, 3), layout="constrained")
    for axes, curve in zip(np.atleast_1d(sheet.subplots(1, len(scratch), sharey=True)), scratch, strict=True):
        assert curve.arm
        of_golds = np.array([presence_curve(gold, curve.arm).value for gold in golds], float)
        axes.fill_between(curve.psi, of_golds.min(0), of_golds.max(0), color="#4a7fb5", alpha=0.25, linewidth=0)
        axes.plot(curve.psi, of_golds.mean(0), color="#4a7fb5", label="golds, continued")
        axes.fill_between(curve.psi, np.array(curve.low, float), np.array(curve.high, float), color="#d9822b", alpha=0.2, linewidth=0)
        axes.plot(curve.psi, np.array(curve.value, float), color="#d9822b", marker="o", markersize=3, label="gold, from scratch")
        axes.plot(curve.psi, np.array(presence_curve(original, curve.arm).value, float), color="0.5", linestyle="--", label="original")
        axes.set(title=f"{curve.arm} arm", xlabel="ψ", ylim=(-0.02, 1.02))
    sheet.axes[0].set_ylabel(f"share judged {task.concept}")
    sheet.axes[0].legend(frameon=False, fontsize=8)
    sheet.savefig(path, dpi=110, metadata={"Software": ""})
