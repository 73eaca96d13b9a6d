"""A setting: the hashable coordinates of one run, from which every array of a distillation follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf, isfinite, nan
from typing import Any, Self

from subtheory import arguments
from subtheory.data import CHANNELS, Channel
from subtheory.errors import InputError
from subtheory.kernels.source import FromTask, Source
from subtheory.numerics import LADDER_RATIO
from subtheory.setting.preparation import distillation
from subtheory.setting.student import Student
from subtheory.setting.teachers import TEACHERS, GradientDescent, Teacher
from subtheory.suggest import choose
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import LOSSES, Loss, SquaredError, require_loss
from subtheory.theory.network import Network, require_network
from subtheory.theory.views import Full, View


def ladder(largest: float = 1e-2, rungs: int = 6) -> tuple[float, ...]:
    """Sizes of the teacher's update, each `LADDER_RATIO` times smaller than the one before.

    Raises InputError on "largest" or "rungs" for what is not positive.
    """
    top, count = arguments.positive("largest", largest), arguments.whole("rungs", rungs, 1, MOST_RUNGS)
    return tuple(top * LADDER_RATIO**-k for k in range(count))


MOST_RUNGS = 500
"""Sizes of ε further down are 0 in float64."""


def _sizes(eps: Any) -> tuple[float, ...]:
    """One size or several, as floats. Raises InputError on "eps" for what is not positive."""
    if type(eps) is tuple and eps and all(type(value) is float and 0 < value < inf for value in eps):
        return eps
    several = None if isinstance(eps, str) else arguments.entries(eps)
    found = tuple(arguments.positive("eps", value) for value in ([eps] if several is None else several))
    if not found:
        raise InputError("eps", "no value", "needs at least one size of the teacher's update")
    return found


_SEEN: set[tuple[type, type]] = set()
"""Classes whose objects are known to be of a kind: to ask a protocol costs more than all the rest of a setting."""


def _fits(part: Any, kind: type) -> bool:
    """Whether this is an object of the kind, and not a class."""
    pair = type(part), kind
    if pair not in _SEEN and isinstance(part, kind) and not isinstance(part, type):
        _SEEN.add(pair)
    return pair in _SEEN


_NAMED: tuple[tuple[str, Mapping[str, Any], type], ...] = (
    ("loss", LOSSES, Loss),
    ("channel", CHANNELS, Channel),
    ("teacher", TEACHERS, Teacher),
)
"""Parts that may be given by name."""


@dataclass(frozen=True)
class Setting:
    """Network, loss, channel, distilled outputs, teacher and sizes; then the parts that a control changes.

    `eps` holds relative changes of the outputs (and never more than that change of the parameters), largest first,
    unless `relative` is False. `loss`, `channel` and `teacher` may be names of built-in ones, `outputs` a name of the
    task or logits by indices or by a mask of truth values. Raises InputError for ε ≤ 0, unknown names, outputs that
    there are not, less than one example, and parts that are none.
    """

    network: Network
    """f_θ(x): a built-in network, or what `adapt` makes of yours."""
    loss: Loss = SquaredError()
    channel: Channel | None = None
    outputs: str | tuple[int, ...] = "all"
    teacher: Teacher = GradientDescent()
    eps: tuple[float, ...] = field(default_factory=ladder)
    relative: bool = True
    alpha: float = 1.0
    """α of the student's step, in units of q/‖GΔ‖²."""
    examples: int = 24
    """N, the inputs that the student sees."""
    trait_examples: int = 32
    """Of the trait loss."""
    source: Source | None = None
    """Parameters, trait and inputs of a model of one's own, in place of drawn ones."""

    view: View = Full()
    """What the student is shown of the teacher's outputs."""
    student: Student = Student()
    """Where the student starts, what it trains, how it moves."""
    subtracted: bool = True
    """What is said to be added is beyond the student of the untrained teacher."""

    def __post_init__(self) -> None:
        require_network(self.network)
        for name, known, kind in _NAMED:
            part = getattr(self, name)
            if isinstance(part, str):
                object.__setattr__(self, name, choose(name, part, known))
            elif not (_fits(part, kind) or (part is None and name == "channel")):
                raise InputError(
                    name, arguments.shown(part), f"must be one of {', '.join(known)}, or a {kind.__name__}"
                )
        if getattr(self.loss, "fault", ""):
            require_loss(self.loss)
        for name, kind in (("view", View), ("student", Student)):
            if not _fits(getattr(self, name), kind):
                raise InputError(name, arguments.shown(getattr(self, name)), f"must be a {kind.__name__}")
        for name in ("relative", "subtracted"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(name, arguments.shown(getattr(self, name)), "must be True or False")
        if self.source is not None and not (hasattr(self.source, "inputs") and hasattr(self.source, "weights")):
            raise InputError("source", arguments.shown(self.source), "must be a source, such as kernels.source.Given")
        object.__setattr__(self, "eps", _sizes(self.eps))
        if self.outputs.__class__ is not str:
            task = getattr(self.network, "task", None)
            width = getattr(self.source, "width", None) or getattr(task, "outputs", None)
            object.__setattr__(self, "outputs", arguments.outputs(self.outputs, width))
        for name in ("examples", "trait_examples"):
            object.__setattr__(self, name, arguments.whole(name, getattr(self, name)))
        if not isfinite(arguments.number(self.alpha) or nan):
            raise InputError("alpha", arguments.shown(self.alpha), "must be a finite number other than 0")

    def but(self, **parts: Any) -> Self:
        """The same setting with other parts: its own fields, or `init`, `trains` and `rule` of the student.

        Raises InputError on "part" for a name that is none of them.
        """
        own = {f.name for f in fields(Student)}
        if not parts.keys() <= own | _FIELDS:
            known = {name: name for name in (*own, *_FIELDS)}
            for name in parts:
                choose("part", name, known)
        base = parts.pop("student", self.student)
        if not isinstance(base, Student):
            raise InputError("student", arguments.shown(base), "must be a Student")
        student = replace(base, **{name: part for name, part in parts.items() if name in own})
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
        """The arrays of one run, as NumPy leaves. Raises InputError for what is no seed, and parts without hash."""
        arguments.hashable("setting", self)
        known = arguments.integer(seed)
        return distillation(self, seed if known is None else known)

    @property
    def theorem(self) -> bool:
        """Whether the student and what it is shown are those of the theorem."""
        return self.student == Student() and self.view == Full()

    @property
    def shown(self) -> str:
        """The setting in words."""
        channel = self.channel.name if self.channel else getattr(self.source, "name", "given")
        outputs = self.outputs if isinstance(self.outputs, str) else ",".join(map(str, self.outputs))
        own = [self.student.shown, "" if self.view == Full() else self.view.shown]
        own += [] if self.subtracted else ["nothing subtracted"]
        return " / ".join([self.network.name, self.loss.name, channel, outputs, self.teacher.shown, *filter(None, own)])


_FIELDS = {f.name for f in fields(Setting)}
