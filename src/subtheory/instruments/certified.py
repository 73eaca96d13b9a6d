"""A measurement beside what ball arithmetic says of the same distillation: bounds, signs on whole intervals, values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from subtheory.certificate.balls import BITS, precision, rational
from subtheory.certificate.making import certify
from subtheory.certificate.problem import problem
from subtheory.certificate.thresholds import alignment_threshold
from subtheory.instruments.first_order import FirstOrder, Measurement
from subtheory.instruments.instrument import Instrument
from subtheory.setting.setting import Setting
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import Loss


@dataclass(frozen=True)
class Enclosed:
    """A measurement, and what is certain about the same numbers; K values of ε."""

    measured: Measurement
    bound: float = float("nan")
    """N, from above: D(ε) ≥ εq − ½ε²N for every ε up to the largest of the measurement."""
    reach: dict[str, float] = field(default_factory=dict)
    """By statement the share of (0, largest ε] on which its sign is certified."""
    exact: dict[str, np.ndarray] = field(default_factory=dict)
    """By statement its value at every ε, the middle of a ball far thinner than a float64, (K,)."""


@dataclass(frozen=True)
class Certified(Instrument):
    """Records `Enclosed`s: with certificates of `kinds`, or with the explicit bound alone where there are none."""

    kinds: tuple[str, ...] = ()

    def of(self, d: Distillation) -> Enclosed:
        return self._enclosed(FirstOrder().of(d), d)

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Any]]:
        found = FirstOrder().records(setting, seeds, losses)
        return {
            name: [
                self._enclosed(m, setting.but(loss=m.loss).distillation(s)) for m, s in zip(each, seeds, strict=True)
            ]
            for name, each in found.items()
        }

    def _enclosed(self, m: Measurement, d: Distillation) -> Enclosed:
        largest = float(m.eps[0])
        if not self.kinds:
            with precision(BITS):
                return Enclosed(m, alignment_threshold(problem(d), rational(largest)).bound)
        made = certify(d, largest, alpha=m.alpha if "trait-loss" in self.kinds else 1.0, kinds=self.kinds)
        return Enclosed(
            m,
            reach={kind: one.statement.upto / one.limit for kind, one in made.found.items()},
            exact={kind: np.array([made.value(float(eps), kind) for eps in m.eps]) for kind in self.kinds},
        )
