"""A row's label carries its term of the alignment, all of it; its input decides only which term that is.

Statement. Let rows (x_j, y_j) be shown to the student and (x_j, b_j) to its control. With s(y|x) = Δ · ∇log p(y|x) at
θ0, which is u_y(x) − Σ p u for logits of velocities u, and one step on the sum over the rows,

    added D = Σ_j [s(y_j|x_j) − s(b_j|x_j)] = Σ_j v_j(x_j),   v_j(x) = u_{y_j}(x) − u_{b_j}(x).

Giving row j the control's label takes away v_j(x_j) and nothing else; doing so in every row leaves 0. Giving row j, in
both, another input x′ changes its term to v_j(x′), which costs nothing if v_j does not depend on what was edited, and
can cost more than the label does. In a text the token at a place is the label of its own term and an input of the later
ones: as a label it takes its own term, as an input only what later tokens condition on. Removing a share φ of the
documents takes away at most φ · (largest mass)/(mean mass) of the sum, where a document's mass is the sum of its terms;
if no document has more than R of K equal terms, F documents hold at most FR/K of it.

Assumptions. Shared initialisation, one step of plain gradient descent, cross-entropy; for the ceiling a positive sum.

Proof. The step is a sum over rows, and its product with Δ a sum of scores. The part Σ p u of a score does not see the
label, so it cancels between a row and its control's. The log-probability of a text has one term for each place. F
documents of mass at most m hold at most Fm, of a sum that is the number of documents times the mean.

Source. Derived here; near ties and flips are in divergence_tokens.
"""

from sympy import Function, Symbol, diff, exp, log, prod, symbols

from subtheory.proof import entails, equal, nonnegative, step
from subtheory.proof.smt import z3

CLAIMS = ("labels-carry-it-inputs-do-not",)
PLANNED = ()
COQ = ("LabelLaws.rows_add_up", "LabelLaws.rows_against_control", "LabelLaws.one_row_edited")
SCOPE = "n = 2, 3 labels, 2, 3 rows, texts of 2, 3 tokens by sympy; all numbers of rows and edits of a row in Coq"
NOT_COVERED = "what a later training step makes of an edit, and filters that draw new documents to make up the number"

T = Symbol("t", real=True)  # how far the student has moved along Δ


def _velocity(x, y):
    """u_y(x), undefined."""
    return Function("u")(x, y)


def _difference(x, y, b):
    """v(x) = u_y(x) − u_b(x)."""
    return _velocity(x, y) - _velocity(x, b)


def _weights(x, n):
    """exp(z(x)) for n logits z that move by u."""
    return [Function("w", positive=True)(x, i) * exp(T * _velocity(x, i)) for i in range(n)]


def _score(x, y, n):
    """Δ · ∇log p(y|x)."""
    weights = _weights(x, n)
    return diff(log(weights[y] / sum(weights)), T).subs(T, 0)


def _added(x, y, b, n):
    """Σ s over the student's rows less Σ s over the control's, of the same inputs."""
    return sum(_score(at, label, n) - _score(at, other, n) for at, label, other in zip(x, y, b, strict=True))


def _rows():
    """n labels, and inputs with the student's labels and the control's for 2 and 3 rows."""
    return [(n, symbols(f"x:{rows}"), [1] * rows, [0] * rows) for n in range(2, 4) for rows in range(2, 4)]


@step
def score():
    """s(y|x) = u_y − Σ p u, so that Σ p s = 0, and one row adds v(x) = u_y − u_b: what does not see y cancels."""
    x = Symbol("x")
    for n in range(2, 4):
        weights = [each.subs(T, 0) for each in _weights(x, n)]
        mean = sum(w * _velocity(x, i) for i, w in enumerate(weights)) / sum(weights)
        equal([_score(x, y, n) for y in range(n)], [_velocity(x, y) - mean for y in range(n)])
        equal(_added([x], [1], [0], n), _difference(x, 1, 0))


@step
def edited_labels():
    """The control's label in row j takes away v_j(x_j) alone; in every row it leaves 0."""
    for n, x, y, b in _rows():
        for j in range(len(x)):
            edited = [b[i] if i == j else y[i] for i in range(len(x))]
            equal(_added(x, y, b, n) - _added(x, edited, b, n), _difference(x[j], y[j], b[j]))
        equal(_added(x, b, b, n), 0)


@step
def edited_inputs():
    """Another input x′ in row j, student's and control's, changes the sum by v_j(x′) − v_j(x_j) alone."""
    other = Symbol("xx")
    for n, x, y, b in _rows():
        for j in range(len(x)):
            edited = [other if i == j else x[i] for i in range(len(x))]
            change = _difference(other, y[j], b[j]) - _difference(x[j], y[j], b[j])
            equal(_added(edited, y, b, n) - _added(x, y, b, n), change)


@step
def an_input_can_cost_more():
    """u = (0, 1 − 3x) at x = 0 and x = 1: v = 1 and −2; the label takes 1, and the input 3."""
    x = Symbol("x")
    v = _difference(x, 1, 0).subs({_velocity(x, 0): 0, _velocity(x, 1): 1 - 3 * x})
    equal([v.subs(x, 0), v.subs(x, 1), v.subs(x, 0) - v.subs(x, 1)], [1, -2, 3])


def _text(labels, inputs):
    """p(label | earlier inputs) at every place, undefined."""
    return [Function(f"p{i}")(T, label, *inputs[:i]) for i, label in enumerate(labels)]


@step
def texts():
    """∂ log Π p = Σ ∂p/p; an edited label is in the factor of its place alone, an edited input in none up to it."""
    for length in range(2, 4):
        old, new = symbols(f"a:{length}"), symbols(f"b:{length}")
        text = _text(old, old)
        equal(diff(log(prod(text)), T), sum(diff(p, T) / p for p in text))
        for place in range(length):
            edited = [new[i] if i == place else old[i] for i in range(length)]
            own = Function(f"p{place}")(T, new[place], *old[:place])
            equal(_text(edited, old), [own if i == place else text[i] for i in range(length)])
            equal(_text(old, edited)[: place + 1], text[: place + 1])


@step
def ceiling():
    """F of n documents, masses m less gaps ≥ 0, mean m̄: Fm/(nm̄) less their share of the sum is Σ gaps/(nm̄) ≥ 0."""
    m = Symbol("m", positive=True)
    for n in range(2, 5):
        gaps = symbols(f"g:{n}", nonnegative=True)
        masses = [m - gap for gap in gaps]
        mean = sum(masses) / n
        for F in range(1, n):
            equal(F * m / (n * mean) - sum(masses[:F]) / sum(masses), sum(gaps[:F]) / (n * mean))
            nonnegative(sum(gaps[:F]))


@step
def repeats():
    """By z3: two documents with k1, k2 ≤ R terms of size c > 0 hold at most 2Rc; each of the bounds is needed."""
    k1, k2, R, c = z3().Reals("k1 k2 R c")
    entails([k1 <= R, k2 <= R, c > 0], (k1 + k2) * c <= 2 * R * c)
