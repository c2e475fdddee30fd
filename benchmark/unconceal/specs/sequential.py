"""Settings of the sequential tier ``verdict``: when to look, at which ratios, and how the error is shared among the looks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from unconceal.specs.battery import ProbeName
from unconceal.specs.spec import Count, Mistake, Ratio, Spec

SpendingName = Literal["pocock", "obrien-fleming"]


class Sequential(Spec):
    """The sequential tier. Its prompts, seeds and golds are those of tier ``full``.

    All values have defaults, which digests leave out: a suite that says nothing of this tier keeps the digest that its records carry.

    Attributes:
        looks: numbers of prompts after which the verdict is tried; those above the tier's are left out, and the last is at all.
        psi: handover ratios in both arms, of the full tier's grid; chosen in docs/reports/verdict-tier.md.
        retain_psi: handover ratio of the retained concepts, beside ψ = 0.
        early_spending, late_spending: types of the alpha-spending functions, see :class:`unconceal.metrics.alpha_spending.Look`.
        probes: of the battery, once the handover alone shows nothing.
    """

    looks: Annotated[tuple[Count, ...], Field(min_length=1)] = (10, 14, 20, 27, 36)
    psi: Annotated[tuple[Ratio, ...], Field(min_length=2)] = (0.2, 0.4)
    retain_psi: Ratio = 0.6
    early_spending: SpendingName = "pocock"
    late_spending: SpendingName = "obrien-fleming"
    probes: tuple[ProbeName, ...] = ("relearning",)

    def mistakes(self) -> Iterator[Mistake]:
        """Looks or ratios that do not ascend."""
        for name, values in (("looks", self.looks), ("psi", self.psi)):
            if any(later <= earlier for earlier, later in pairwise(values)):
                yield Mistake("suite.unsorted-looks", (name,), f"{name} {list(values)}", "do not ascend", "sort them")
        if not set(self.probes) <= {"relearning"}:
            yield Mistake(
                "suite.unsequential-probe",
                ("probes",),
                f"probes {list(self.probes)}",
                "cannot be measured look by look",
                "use relearning, or none",
            )

    def looks_within(self, n_prompts: int) -> tuple[int, ...]:
        """Numbers of prompts at each look, where there are ``n_prompts`` in all."""
        return (*(look for look in self.looks if look < n_prompts), n_prompts)
