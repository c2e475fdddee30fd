"""What a sampler sweep would take: the evaluation block of every model, for every combination of sampler settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from unconceal.estimate.forecast import ANY_CHECKPOINT, Forecast, TaskForecast, Workload, has_weights, workload_of
from unconceal.estimate.image_spec import ImageSpec, image_spec_of
from unconceal.evaluation.evaluation import Evaluation, checkpoint_of
from unconceal.evaluation.run_sweep import Axes, local_gold, samplers
from unconceal.generate.identity import Shard
from unconceal.generate.plan import Block
from unconceal.specs.inference_rule import InferenceRule
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task


def forecast_sweep(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]], axes: Axes) -> Forecast:
    """What sweeping the pairs would take, by task and combination.

    Args:
        evaluation: the settings of the run.
        pairs: what to evaluate. Golds on this machine are generated with every sampler too.
        axes: values of each sampler setting.
    """
    suite, forecast = evaluation.suite, Forecast()
    tasks = {task.id: task for task, _ in pairs}
    for task in tasks.values():
        golds = [gold for name in task.golds if (gold := local_gold(evaluation, task, name)) is not None]
        models = {model.name: model for model in (*(submission for item, submission in pairs if item.id == task.id), *golds)}
        for changes, sampler in samplers(suite.sampler, axes, suite.family):
            label = ", ".join(f"{name} {value}" for name, value in changes.items())
            configured = replace(evaluation, suite=suite.model_copy(update={"sampler": sampler}))
            forecast.tasks[f"{task.id}, {label}"] = _forecast_task(configured, task, models.values())
    return forecast


def _forecast_task(evaluation: Evaluation, task: Task, models: Collection[Submission]) -> TaskForecast:
    image_spec = image_spec_of(evaluation.suite, evaluation.root)
    without_weights = frozenset(model.name for model in models if not has_weights(evaluation, task, model))
    blocks = {model.name: _block(evaluation, task, model, model.name not in without_weights) for model in models}
    shared = _workload(evaluation, next(iter(blocks.values())).trajectories, image_spec)
    rules = {model.name: checkpoint_of(model, task).inference for model in models}
    handovers = {name: _workload(evaluation, block.handovers, image_spec, rules[name]) for name, block in blocks.items()}
    return TaskForecast(shared, handovers, frozenset(), without_weights)


def _block(evaluation: Evaluation, task: Task, model: Submission, has_weights: bool) -> Block:
    """The images that the sweep judges. Without weights nothing can be stored, so any digest will do."""
    return evaluation.plan_for(task, evaluation.weights_digest(task, model) if has_weights else ANY_CHECKPOINT).evaluation


def _workload(evaluation: Evaluation, shards: Iterable[Shard], image_spec: ImageSpec, rule: InferenceRule | None = None) -> Workload:
    distinct = list(dict.fromkeys(shards))
    missing = [shard for shard in distinct if shard not in evaluation.store]
    return workload_of(len(distinct), missing, image_spec, rule)
