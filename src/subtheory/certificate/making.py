"""Make a certificate, and check one: the two verbs of this package."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import arb, fmpq

from subtheory import arguments, table
from subtheory.certificate import document
from subtheory.certificate.balls import BITS, CHECK_BITS, lower, precision, rational, upper
from subtheory.certificate.curves import ORIGIN, Pupil
from subtheory.certificate.jets import Span
from subtheory.certificate.problem import Problem, problem
from subtheory.certificate.search import cover
from subtheory.certificate.statement import KINDS, Statement, boxes, differs, state
from subtheory.certificate.thresholds import CertifiedThreshold, alignment_threshold
from subtheory.errors import DataError, InputError
from subtheory.kernels.compiled import Kernels
from subtheory.numerics import UNIT
from subtheory.setting.whole import whole
from subtheory.suggest import choose
from subtheory.theory.distillation import Distillation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AGREEMENT = UNIT**0.5
"""Largest difference, relative to the outputs, between a network and its second spelling: half of the digits.

Rounding takes fewer, and another formula does not share as many.
"""


@dataclass(frozen=True)
class Certified:
    """One statement, how it was found, and what stands in its way."""

    statement: Statement
    limit: float
    wrong: float | None
    """A size of ε at which the sign is certainly wrong, if the search came to one."""
    seconds: float

    @property
    def complete(self) -> bool:
        """Certified on all of (0, limit]."""
        return self.statement.upto >= self.limit


@dataclass(frozen=True)
class Certificate:
    """Rigorous statements about one distillation: `upto`, `rows`, `save`; made by `certify`."""

    problem: Problem
    """The network, loss and numbers that it speaks of, as rationals."""
    found: Mapping[str, Certified]
    """What was certified, by kind of statement."""
    limit: fmpq
    """Where the longest search ends."""
    document: Mapping[str, Any] = field(repr=False)
    """What `save` writes, and `check_certificate` reads."""

    @cached_property
    def threshold(self) -> CertifiedThreshold:
        """The explicit bound on the alignment, in the same arithmetic."""
        with precision(BITS):
            return alignment_threshold(self.problem, self.limit)

    def upto(self, kind: str = "alignment") -> float:
        """The statement holds for every ε in (0, upto]; 0 if nothing is certified."""
        return choose("kind", kind, self.found).statement.upto

    def value(self, eps: float, kind: str = "alignment") -> float:
        """D(ε), or the change of the trait loss: the middle of a ball far thinner than a float64."""
        with precision(BITS):
            return float(
                choose("kind", kind, KINDS).curve(self.problem)(Span(positive("eps", eps)), 0).c[0][0, 0].mid()
            )

    def save(self, path: Path | str) -> Path:
        """Write the file that `check_certificate` reads."""
        return document.write(path, self.document)

    def rows(self) -> list[dict[str, Any]]:
        """One row a statement."""
        return [
            {
                "statement": KINDS[kind].says,
                "certified up to": f"{one.statement.upto:.8g}",
                "of": f"{one.limit:g}",
                "certainly wrong at": "-" if one.wrong is None else f"{one.wrong:.8g}",
                "explicit bound": self.threshold.eps if kind == "alignment" else "-",
                "boxes": len(one.statement.ends),
                "seconds": one.seconds,
            }
            for kind, one in self.found.items()
        ]

    def to_pandas(self) -> Any:
        """The `rows` as a pandas.DataFrame. Raises InputError on "pandas" where that is not installed."""
        return table.to_pandas(self.rows())

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """What was certified of each curve, on `ax` or on axes of its own: its value in the middle of every box.

        The certified range ends at the dotted line.
        """
        from subtheory.figure import COLOURS, axes_of, style

        with style():
            ax = axes_of(ax)
            ax.axhline(0, color="#999999", linewidth=0.8)
            for colour, (kind, one) in zip(COLOURS, self.found.items(), strict=False):
                middles = [float((a + b) / 2) for a, b in boxes(one.statement.ends)]
                values = [float(value) for value in one.statement.values]
                says = f"{KINDS[kind].says}: up to {one.statement.upto:.4g}"
                ax.plot(middles, values, color=colour, marker=".", label=says)
                ax.axvline(one.statement.upto, color=colour, linestyle=":")
            ax.set(xlabel="ε", ylabel="value in the middle of each box", xlim=(0, None))
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return ax

    def _repr_html_(self) -> str:
        spoken = f"{self.problem.network['kind']}, {self.problem.loss}: certain for every ε up to the bound"
        return table.stacked([spoken], self.rows())


def certify(
    d: Distillation,
    upto: float | Mapping[str, float] = 60.0,
    *,
    alpha: float = 1.0,
    kinds: str | Iterable[str] = ("alignment",),
    seconds: float = 60.0,
) -> Certificate:
    """Certify, in ball arithmetic, D(ε) > 0 or L_T(θ0 + αΔθ_S(ε)) < L_T(θ0) for every ε in (0, E].

    d: a distillation under the theorem's assumptions on an MLP, a ConvNet or a Transformer (no relu), squared
    error or cross-entropy. upto: where the search ends, for all statements or by kind; what it reached is
    `Certificate.upto(kind)`, just below the first root if there is one. kinds: "alignment" and, for MLPs whose
    trait is labelled examples or targets, "trait-loss". alpha: the student's step, as a plain number. seconds:
    when each search gives up. Every float64 is taken for the rational that it is.

    Raises InputError, naming the field, for anything that cannot be certified.
    """
    if not hasattr(getattr(d, "x", None), "dtype") and isinstance(d, Distillation):
        raise InputError("x", type(d.x).__name__, "must be one array: certificates take no structured inputs")
    several = [kinds] if isinstance(kinds, str) else arguments.entries(kinds)
    if arguments.number(alpha) is None:
        raise InputError("alpha", arguments.shown(alpha), "must be a number")
    limit_of_time = arguments.number(seconds)
    if limit_of_time is None or not limit_of_time > 0:
        raise InputError("seconds", arguments.shown(seconds), "must be a positive number")
    if not several:
        raise InputError("kinds", arguments.shown(kinds), f"must be some of {', '.join(KINDS)}")
    exact = problem(whole(d), alpha)
    found = {}
    with precision(BITS):
        agrees(d, exact)
        for kind in several:
            one = choose("kind", kind, KINDS)
            limit = positive("upto", upto.get(kind) if isinstance(upto, Mapping) else upto)
            curve = one.curve(exact)
            reached = cover(curve, limit, one.sign, seconds)
            statement = state(kind, exact, curve, reached.ends)
            wrong = None if reached.wrong is None else upper(arb(reached.wrong))
            found[kind] = Certified(statement, lower(arb(limit)), wrong, reached.seconds)
    limit = positive("upto", max(upto.values()) if isinstance(upto, Mapping) else upto)
    body = document.to_json(exact, tuple(one.statement for one in found.values() if one.statement.ends))
    return Certificate(exact, found, limit, body)


def positive(name: str, number: Any) -> fmpq:
    """A positive rational, or InputError."""
    try:
        value = rational(number)
    except (ValueError, TypeError):
        value = fmpq(0)
    if not value > 0:
        raise InputError(name, arguments.shown(number), "must be a positive number")
    return value


def agrees(d: Distillation, exact: Problem) -> None:
    """Raise InputError unless the network computes what its second spelling on balls says, at θ0 and on Δ."""
    jet = Pupil(exact).outputs(ORIGIN, 0)
    x = np.asarray(d.x)
    kernels = Kernels.of(d.network, d.theta0, x[0])
    z = kernels.values(kernels.layout.flatten(d.theta0), x)
    balls = np.array([float(entry.mid()) for entry in jet.c[0].entries()])
    error = float(np.max(np.abs(z.ravel() - balls)))
    if not error <= AGREEMENT * (1 + np.max(np.abs(z))):
        raise InputError("network", repr(d.network.name), f"differs by {error} from its form on balls")


def check_certificate(source: Path | str | Mapping[str, Any], d: Distillation | None = None) -> tuple[Statement, ...]:
    """Check a certificate anew, box by box, at another precision and without any search; its statements.

    source: a file that `Certificate.save` wrote, or its document. With `d` the certificate must also be one for that
    very distillation. Raises DataError, saying why, for a file that is damaged, not covered by its boxes, of another
    network, or of which one number is not what the others give.
    """
    body = document.read(source) if isinstance(source, str | Path) else source
    name = source if isinstance(source, str | Path) else "certificate"
    try:
        reason, statements = verdict(body, d)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, AssertionError, InvalidOperation) as error:
        raise DataError(f"{name}: refused, it is malformed ({type(error).__name__}: {error})") from None
    except (InputError, ZeroDivisionError) as error:
        raise DataError(f"{name}: refused, {error}") from None
    if reason:
        raise DataError(f"{name}: refused, {reason}")
    return statements


def verdict(body: Mapping[str, Any], d: Distillation | None) -> tuple[str, tuple[Statement, ...]]:
    """Why a certificate is refused, if it is, and its statements."""
    if body["sha256"] != document.digest(body):
        return "it has another hash than it says", ()
    exact, statements = document.problem_from(body["problem"]), document.statements_from(body["statements"])
    if str(document.total({name: body[name] for name in ("problem", "statements")})) != body["sum"]:
        return "its numbers do not have the sum that it says", ()
    if d is not None and problem(d, float(body_alpha(exact))) != exact:
        return "it was made for another network or other numbers", ()
    if not statements:
        return "it states nothing", ()
    with precision(CHECK_BITS):
        for one in statements:
            curve = KINDS[one.kind].curve(exact)
            reason = differs(one.kind, exact, curve, one)
            if reason:
                return f"{one.kind}: {reason}", ()
    return "", statements


def body_alpha(exact: Problem) -> float:
    """The student's step as the float that it was."""
    return float(exact.alpha.p) / float(exact.alpha.q)
