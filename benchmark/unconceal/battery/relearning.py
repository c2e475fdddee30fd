"""Relearning: how fast the model learns the concept again from a few images of θ and a nonce word.

A model that knows the concept lacks only a word for it. The prompts of the training images and those of the generated images are disjoint.
"""

from __future__ import annotations

from unconceal.battery.fine_tuning import fine_tune, new_learner
from unconceal.battery.nonce import concept_names, nonce_prompt
from unconceal.battery.probe import Cost, Probe, ProbeInputs, ProbePlan, ProbeScope, too_few_examples
from unconceal.generate.image_cache import Pixels
from unconceal.specs.battery import Relearning

TRAINING_SHARE = 3
"""One prompt in so many is trained on; the others are generated."""
MIN_EXAMPLES = 4


def held_out_prompts(scope: ProbeScope) -> tuple[str, ...]:
    """Forget prompts that are not trained on."""
    return tuple(prompt for index, prompt in enumerate(scope.forget) if index % TRAINING_SHARE)


def level_name(step: int) -> str:
    """``40 steps``."""
    return f"{step} steps"


def plan(scope: ProbeScope, settings: Relearning) -> ProbePlan:
    """The learning curve's steps, of which the last is scored."""
    levels = tuple(map(level_name, settings.steps))
    trained = settings.steps[-1] * settings.batch_size
    generated = len(levels) * len(held_out_prompts(scope)) * settings.images_per_prompt * scope.guided_passes
    return ProbePlan(settings.images_per_prompt, levels, levels[-1:], Cost(generated + trained, trained))


def learn(inputs: ProbeInputs, settings: Relearning) -> dict[str, Pixels]:
    """Train, and generate the held-out prompts with the nonce word at every step of the curve."""
    held_out, names = held_out_prompts(inputs.scope), concept_names(inputs.task)
    rows = [row for row, prompt in enumerate(inputs.examples.prompts) if prompt not in held_out][: settings.n_examples]
    if len(rows) < min(MIN_EXAMPLES, settings.n_examples):
        raise too_few_examples(len(rows), settings.n_examples)
    examples = inputs.examples.select(rows)
    captions = [nonce_prompt(prompt, names, settings.nonce) for prompt in examples.prompts]
    prompts = [nonce_prompt(prompt, names, settings.nonce) for prompt in held_out for _ in range(settings.images_per_prompt)]
    seeds = inputs.seeds(held_out, settings.images_per_prompt)
    learner, images = new_learner(inputs.model, settings, settings.nonce), dict[str, Pixels]()

    def at_step(step: int) -> None:
        if step in settings.steps:
            images[level_name(step)] = inputs.generate(learner.model.without_cache(), prompts, seeds)

    fine_tune(learner, inputs, examples, captions, settings.batch_size, settings.steps[-1], at_step)
    return images


RELEARNING = Probe(
    lambda scope: plan(scope, scope.battery.relearning),
    lambda inputs: learn(inputs, inputs.battery.relearning),
)
TEXTUAL_INVERSION = Probe(
    lambda scope: plan(scope, scope.battery.textual_inversion),
    lambda inputs: learn(inputs, inputs.battery.textual_inversion),
)
