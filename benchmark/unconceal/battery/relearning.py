"""Relearning: how fast the model learns the concept again from a few images of θ and a nonce word.

A model that knows the concept lacks only a word for it. The prompts of the training images and those of the generated images are disjoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unconceal.battery.fine_tuning import Learner, fine_tune, new_learner
from unconceal.battery.nonce import concept_names, nonce_prompt
from unconceal.battery.probe import BatteryPlan, Cost, Probe, ProbeInputs, ProbeScope, too_few_examples
from unconceal.generate.image_cache import Pixels
from unconceal.specs.battery import Relearning

MIN_EXAMPLES = 4


def held_out_prompts(scope: ProbeScope) -> tuple[str, ...]:
    """Forget prompts that are not trained on."""
    return tuple(scope.forget[row] for row in scope.battery.relearning.held_out_rows(len(scope.forget)))


def level_name(step: int) -> str:
    """``40 steps``."""
    return f"{step} steps"


def plan(scope: ProbeScope, settings: Relearning) -> BatteryPlan:
    """The learning curve's steps; any but the start may be read."""
    levels = tuple(map(level_name, settings.steps))
    scored = tuple(level_name(step) for step in settings.steps if step) or levels
    trained = settings.steps[-1] * settings.batch_size
    generated = len(levels) * len(held_out_prompts(scope)) * settings.images_per_prompt * scope.guided_passes
    return BatteryPlan(settings.images_per_prompt, levels, scored, Cost(generated + trained, trained))


def learn(inputs: ProbeInputs, settings: Relearning) -> dict[str, Pixels]:
    """Train, and generate the held-out prompts with the nonce word at every step of the curve."""
    images, held_out = dict[str, Pixels](), held_out_prompts(inputs.scope)

    def at_step(step: int, learner: Learner) -> None:
        if step in settings.steps:
            images[level_name(step)] = generate(learner, inputs, settings, held_out)

    train(inputs, settings, at_step)
    return images


def train(inputs: ProbeInputs, settings: Relearning, at_step: Callable[[int, Learner], None] = lambda step, learner: None) -> Learner:
    """A copy of the model, trained to the last step of the curve.

    Args:
        inputs: the model and θ's images.
        settings: of the training.
        at_step: called before every step and after the last, with the number of steps done.

    Raises:
        CheckFailed: too few images show the concept, or the training diverged.
    """
    held_out, names = held_out_prompts(inputs.scope), concept_names(inputs.task)
    rows = [row for row, prompt in enumerate(inputs.examples.prompts) if prompt not in held_out][: settings.n_examples]
    if len(rows) < min(MIN_EXAMPLES, settings.n_examples):
        raise too_few_examples(len(rows), settings.n_examples)
    examples = inputs.examples.select(rows)
    captions = [nonce_prompt(prompt, names, settings.nonce) for prompt in examples.prompts]
    learner = new_learner(inputs.model, settings, settings.nonce)
    fine_tune(learner, inputs, examples, captions, settings.batch_size, settings.steps[-1], lambda step: at_step(step, learner))
    return learner


def generate(learner: Learner, inputs: ProbeInputs, settings: Relearning, held_out: Sequence[str]) -> Pixels:
    """Images of held-out prompts with the nonce word, prompt by prompt."""
    names = concept_names(inputs.task)
    prompts = [nonce_prompt(prompt, names, settings.nonce) for prompt in held_out for _ in range(settings.images_per_prompt)]
    return inputs.generate(learner.model.without_cache(), prompts, inputs.seeds(held_out, settings.images_per_prompt))


RELEARNING = Probe(
    lambda scope: plan(scope, scope.battery.relearning),
    lambda inputs: learn(inputs, inputs.battery.relearning),
)
TEXTUAL_INVERSION = Probe(
    lambda scope: plan(scope, scope.battery.textual_inversion),
    lambda inputs: learn(inputs, inputs.battery.textual_inversion),
)
