"""Workers that are no processes: they do their jobs here, in an order and with accidents that a test decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unconceal.execution.executor import Worker
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.execution.worker_process import WorkerProcess

Accident = Callable[[Job, int], Outcome | bool]
"""Of a job and how many were done before it: True: its worker is lost; an outcome: it has that one instead; False: it is done."""


@dataclass
class InlineHand:
    model: tuple[str, str] | None = None
    job: Job | None = None


@dataclass
class Inline:
    setting: EvaluationConfig
    count: int
    seed: int = 0
    accident: Accident = lambda job, done: False
    given: list[Job] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.place, self.hands = WorkerProcess(self.setting), [InlineHand() for _ in range(self.count)]
        self.chance = random.Random(self.seed)

    @property
    def workers(self) -> int:
        return self.count

    def idle(self) -> Sequence[InlineHand]:
        return [hand for hand in self.hands if hand.job is None]

    def submit(self, hand: Worker, job: Job) -> None:
        assert isinstance(hand, InlineHand) and hand.job is None
        hand.job, hand.model = job, job.model
        self.given.append(job)

    def next(self) -> tuple[Job, Outcome | None] | None:
        hand = self.chance.choice([hand for hand in self.hands if hand.job is not None])
        job, hand.job = hand.job, None
        assert job is not None
        fate = self.accident(job, self.made)
        self.made += 1
        if fate is True:
            return job, None
        return job, self.place.do(job) if fate is False else fate

    def close(self) -> None: ...
