"""A setting: the hashable coordinates of one run, from which every array of a distillation follows."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from subtheory.data.channels import Channel
from subtheory.errors import InputError
from subtheory.kernels.source import FromTask, Source
from subtheory.numerics import LADDER_RATIO
from subtheory.setting.preparation import distillation
from subtheory.setting.student import Student
from subtheory.setting.teachers import TEACHERS, GradientDescent, Teacher
from subtheory.suggest import choose
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network
from subtheory.theory.view import Full, View


def ladder(largest: float = 1e-2, rungs: int = 6) -> tuple[float, ...]:
    """Sizes of the teacher's update, each `LADDER_RATIO` times smaller than the one before."""
    return tuple(largest * LADDER_RATIO**-k for k in range(rungs))


@dataclass(frozen=True)
class Setting:
    """Network, loss, channel, distilled outputs, teacher and sizes; then the parts that a control changes.

    `eps` holds relative changes of the outputs (and never more than that change of the parameters), largest first,
    unless `relative` is False. `teacher` may be the name of a built-in one. Raises InputError for ε ≤ 0, an unknown
    teacher, or less than one example.
    """

    network: Network
    loss: Loss = SquaredError()
    channel: Channel | None = None
    outputs: str | tuple[int, ...] = "all"
    teacher: Teacher = GradientDescent()
    eps: tuple[float, ...] = field(default_factory=ladder)
    relative: bool = True
    alpha: float = 1.0
    examples: int = 24
    trait_examples: int = 32
    source: Source | None = None

    view: View = Full()
    """What the student is shown of the teacher's outputs."""
    student: Student = Student()
    """Where the student starts, what it trains, how it moves."""
    subtracted: bool = True
    """What is said to be added is beyond the student of the untrained teacher."""

    def __post_init__(self) -> None:
        for value in self.eps:
            if not (np.isfinite(value) and value > 0):
                raise InputError("eps", value, "must be a positive number")
        if not self.eps:
            raise InputError("eps", "no value", "needs at least one size of the teacher's update")
        if isinstance(self.teacher, str):
            object.__setattr__(self, "teacher", choose("teacher", self.teacher, TEACHERS))
        for name in ("examples", "trait_examples"):
            if getattr(self, name) < 1:
                raise InputError(name, getattr(self, name), "must be at least 1")

    def but(self, **parts: Any) -> Self:
        """The same setting with other parts: its own fields, or `init`, `trains` and `rule` of the student."""
        own = {f.name for f in fields(Student)}
        student = replace(
            parts.pop("student", self.student), **{name: part for name, part in parts.items() if name in own}
        )
        rest = {name: part for name, part in parts.items() if name not in own}
        return replace(self, **({"student": student} | rest))

    @property
    def origin(self) -> Source:
        """The source, by default the task that the network is made for."""
        return self.source or FromTask(self.network.task)  # type: ignore[attr-defined]

    @property
    def zero_branch(self) -> bool:
        """The teacher moves in a direction that the channel is meant not to see."""
        return self.teacher.unseen

    def distillation(self, seed: int = 0) -> Distillation:
        """The arrays of one run, as NumPy leaves."""
        return distillation(self, seed)

    @property
    def theorem(self) -> bool:
        """Whether the student and what it is shown are those of the theorem."""
        return self.student == Student() and self.view == Full()

    @property
    def shown(self) -> str:
        """The setting in words."""
        channel = self.channel.name if self.channel else "given"
        outputs = self.outputs if isinstance(self.outputs, str) else ",".join(map(str, self.outputs))
        own = [self.student.shown, "" if self.view == Full() else self.view.shown]
        own += [] if self.subtracted else ["nothing subtracted"]
        return " / ".join([self.network.name, self.loss.name, channel, outputs, self.teacher.shown, *filter(None, own)])
