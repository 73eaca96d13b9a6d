"""The two curves in ε that a certificate bounds: the alignment D(ε) and the change of the trait loss.

Each is a jet of one entry along the teacher's segment, and vanishes at ε = 0.
"""

from collections.abc import Callable, Mapping

from flint import arb, arb_mat, fmpq

from subtheory.certificate.balls import upper
from subtheory.certificate.functions import ACTIVATIONS, exp, log
from subtheory.certificate.jets import Function, Jet, Span, sharp, square
from subtheory.certificate.networks import FORWARD, Curve, Inputs, Segment, Weights, hidden_layers, ones, softmax
from subtheory.certificate.problem import Examples, Lesson, Problem, Table
from subtheory.errors import InputError

ORIGIN = Span(fmpq(0))


class Pupil:
    """The student's side of a problem: outputs φ(t) along θ0 + tΔ on the channel, and what pulls the student."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.forward = FORWARD[problem.network["kind"]]
        self.base = {name: table.balls() for name, table in problem.theta0.items()}
        self.slope = {name: table.balls() for name, table in problem.delta.items()}
        self.x = inputs(problem.x)
        self.outputs = sharp(self._outputs)
        first = self.outputs(ORIGIN, 1)
        self.rows, self.width = first.shape
        positions = self.rows // len(problem.weights)
        self.law = [arb(p) / positions for p in problem.weights for _ in range(positions)]
        self.seen = [i for i, w in enumerate(problem.outputs) if w > 0]
        self.u = first.c[1]
        self.start = self.pull(first).c[0]

    def along(self, span: Span, order: int) -> Weights:
        """θ0 + tΔ."""
        return {name: Segment(self.base[name], self.slope[name], span.ball, order) for name in self.base}

    def _outputs(self, span: Span, order: int) -> Jet:
        """φ(t) = f_{θ0 + tΔ}(x), (rows, V); sequences give one row a position."""
        return self.forward(self.along(span, order), self.x, self.problem.network, order)

    def pull(self, z: Jet) -> Jet:
        """p·a(z) with −∂l/∂z = a(y) − a(z): 2wz for squared error, σ(z) on the distilled logits for cross-entropy."""
        w = self.problem.outputs
        if self.problem.loss == "squared-error":
            return z.times(arb_mat(self.rows, self.width, [2 * p * arb(wi) for p in self.law for wi in w]))
        law = arb_mat(self.rows, self.width, [p for p in self.law for _ in w])
        return chosen_softmax(z, self.seen).times(law)

    def residual(self, span: Span, order: int) -> Jet:
        """r(t) = p (a(φ(t)) − a(φ(0))), what the student's outputs are pulled by; (rows, V)."""
        return self.pull(self.outputs(span, order)).less(self.start)


def chosen_softmax(z: Jet, seen: list[int]) -> Jet:
    """σ over some of the columns, 0 in the others."""
    rows, width = z.shape
    sigma = softmax(z.gather([r * width + i for r in range(rows) for i in seen], rows, len(seen)))
    place = {i: k for k, i in enumerate(seen)}
    spread = [r * len(seen) + place[i] if i in place else -1 for r in range(rows) for i in range(width)]
    return sigma.gather(spread, rows, width)


def inputs(x: Examples) -> Inputs:
    """Inputs as the networks take them."""
    return x.balls() if isinstance(x, Table) else [list(row) for row in x]


def alignment(problem: Problem) -> Function:
    """D(t) = ⟨r(t), JΔ⟩, exact for every t (first step of the proof of Lemma 1)."""
    pupil = Pupil(problem)

    def curve(span: Span, order: int) -> Jet:
        return pupil.residual(span, order).times(pupil.u).total()

    return sharp(curve)


def trait_change(problem: Problem) -> Function:
    """F(t) = L_T(θ0 + αΔθ_S(t)) − L_T(θ0), Δθ_S = Jᵀr, for MLPs.

    Raises InputError for another network, and for a trait that has no data of its own.
    """
    if problem.network["kind"] != "mlp":
        raise InputError("network", repr(problem.network["kind"]), "must be an MLP for a statement on the trait loss")
    if problem.trait is None:
        raise InputError("trait", "a function of the parameters", "must be labelled examples or targets")
    pupil, lesson = Pupil(problem), problem.trait
    pull = pullback(problem, pupil.base, pupil.x)
    x, alpha = inputs(lesson.x), arb(problem.alpha)
    before = trait_loss(pupil.forward(pupil.along(ORIGIN, 0), x, problem.network, 0), lesson).c[0]

    @sharp
    def student(span: Span, order: int) -> Jet:
        """Outputs of θ0 + αΔθ_S(t) on the trait's inputs."""
        moved = {name: Curve((v * alpha).plus(pupil.base[name])) for name, v in pull(pupil.residual(span, order))}
        return pupil.forward(moved, x, problem.network, order)

    return sharp(lambda span, order: trait_loss(student(span, order), lesson).less(before))


def pullback(problem: Problem, base: Mapping[str, arb_mat], x: Inputs) -> Callable[[Jet], list[tuple[str, Jet]]]:
    """r ↦ Jᵀr at θ0 on the inputs x, layer by layer from the last, for an MLP."""
    assert isinstance(x, arb_mat)
    names = hidden_layers(base)
    table = ACTIVATIONS[problem.network["activation"]]
    one = ones(x.nrows())
    inner, slopes = [x], []
    for name in names:
        z = inner[-1] * base[f"{name}/kernel"] + one * base[f"{name}/bias"]
        values = [table(entry, 1) for entry in z.entries()]
        h, slope = (arb_mat(z.nrows(), z.ncols(), [value[k] for value in values]) for k in (0, 1))
        inner.append(h)
        slopes.append(slope)

    def pull(r: Jet) -> list[tuple[str, Jet]]:
        found = []
        for i, name in reversed(list(enumerate([*names, "head"]))):
            found.append((f"{name}/kernel", inner[i].transpose() @ r))
            found.append((f"{name}/bias", one.transpose() @ r))
            if i:
                r = (r @ base[f"{name}/kernel"].transpose()).times(slopes[i - 1])
        return found

    return pull


def teacher_error(problem: Problem) -> arb:
    """‖Δ + ∇L_T(θ0)‖/‖Δ‖: how far Δ is from the theorem's teacher, of an MLP with labels or targets."""
    pupil, lesson = Pupil(problem), problem.trait
    assert lesson is not None
    x = inputs(lesson.x)
    z = pupil.forward(pupil.along(ORIGIN, 0), x, problem.network, 0)
    rows, width = z.shape
    if lesson.targets is not None:
        weights = arb_mat(rows, width, [2 * arb(w) / rows for _ in range(rows) for w in lesson.outputs])
        r = z.less(lesson.targets.balls()).times(weights)
    else:
        right = [arb(int(i == label)) for label in lesson.labels for i in range(width)]
        sigma = chosen_softmax(z, [i for i, w in enumerate(lesson.outputs) if w > 0])
        r = sigma.less(arb_mat(rows, width, right)) * (arb(1) / rows)
    off, size = arb(0), arb(0)
    for name, gradient in pullback(problem, pupil.base, x)(r):
        off += squares(gradient.c[0] + pupil.slope[name])
        size += squares(pupil.slope[name])
    return (arb(upper(off)) / size).sqrt()


def squares(matrix: arb_mat) -> arb:
    """The sum of the squares of all entries."""
    return sum((square(entry) for entry in matrix.entries()), arb(0))


def trait_loss(z: Jet, lesson: Lesson) -> Jet:
    """L_T from outputs (n, V): mean of log Σ_j exp(z_j − z_label), or of Σ w (z − target)²."""
    rows, width = z.shape
    if lesson.targets is not None:
        off = z.less(lesson.targets.balls())
        terms = (off * off).times(arb_mat(rows, width, [arb(w) for _ in range(rows) for w in lesson.outputs]))
    else:
        seen = [i for i, w in enumerate(lesson.outputs) if w > 0]
        own = [r * width + label for r, label in enumerate(lesson.labels) for _ in seen]
        others = [r * width + i for r in range(rows) for i in seen]
        difference = z.gather(others, rows, len(seen)) - z.gather(own, rows, len(seen))
        terms = (difference.map(exp) @ ones(len(seen))).map(log)
    return terms.total() * (arb(1) / rows)
