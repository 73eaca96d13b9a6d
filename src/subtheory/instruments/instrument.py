"""An instrument records what claims judge: for a setting and seeds, one record a loss and seed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from subtheory.errors import InputError
from subtheory.kernels.stack import Stack
from subtheory.setting.preparation import reference, stacked, started
from subtheory.setting.setting import Setting
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import Loss


@dataclass(frozen=True)
class Instrument(ABC):
    """Compares by value: claims that read alike share what is recorded."""

    alone: ClassVar[bool] = False
    """Whether seeds are measured one by one: each stands for many draws."""

    def of(self, d: Distillation) -> Any:
        """The record of one distillation and its own loss. Raises InputError on "case" where several are compared."""
        raise InputError("case", "a distillation", f"must be a setting: {type(self).__name__} compares several runs")

    @abstractmethod
    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Any]]:
        """One record for every seed, by the name of the loss; the setting's own loss does not count."""


class OnStack(Instrument):
    """An instrument of which one distillation is enough: algebra on a stack, on which a search can run too."""

    @abstractmethod
    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        """All numbers of a stack, NumPy or JAX; `reference` are inputs on which Δ must do something."""

    @abstractmethod
    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Any]]:
        """The records of a stack with one leading axis, by the name of the loss."""

    def finish(self, record: Any, setting: Setting, seed: int) -> Any:
        """A record as the setting wants it."""
        return record

    def of(self, d: Distillation) -> Any:
        whole = stacked([d])
        (found,) = self.read(self.record(whole, (d.loss,), reference(whole)), (d.loss,))[d.loss.name]
        return found

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Any]]:
        found: dict[str, list[Any]] = {}
        for whole, some in started(setting, tuple(seeds), losses):
            found |= self.read(self.record(whole, some, reference(whole)), some)
        return {
            loss.name: [self.finish(one, setting, seed) for one, seed in zip(found[loss.name], seeds, strict=True)]
            for loss in losses
        }
