"""What the theorem asks of its two losses: a form that is not negative, and a null space that stays put.

Statement. With p = softmax(z) at the match and M = diag(p) − ppᵀ,

    uᵀMu = Σ_{i<j} p_i p_j (u_i − u_j)² ≥ 0,   and it is 0 iff u is constant over the outputs.

For such u, ⟨∂l/∂z, u⟩ = ⟨softmax(z) − softmax(y), u⟩ = 0 for every y: the null-space clause. For squared error
l = Σ w_i (z_i − y_i)², w ≥ 0, the form is 2 Σ w_i u_i², 0 iff u_i = 0 wherever w_i > 0, and then ⟨∂l/∂z, u⟩ = 0 for
every y. Softmax over a fixed subset of the logits has the form of the subset: it is 0 iff u is constant there, and
the clause holds.

Assumptions. Finite logits, so that every p_i > 0; fixed weights, and a fixed subset.

Proof. Σ p_i u_i² − (Σ p_i u_i)² is the sum over pairs, by Lagrange's identity and Σ p_i = 1. Every term is ≥ 0, and
each p_0 p_j (u_0 − u_j)² is a lower bound, positive if u_j differs from u_0. A constant u is orthogonal to every
difference of two laws, whose sums are equal. If some p_i were 0, u could move there unseen: z3 finds it.

Source. arXiv 2507.14805, App. C, remark on the loss class. The Coq theorems on squared error are on half of it.
"""

from itertools import combinations
from operator import mul

from sympy import Matrix, diag, exp, hessian, log, ones, symbols, zeros

from subtheory.proof import entails, equal, nonnegative, positive, step
from subtheory.proof.smt import z3

CLAIMS = ()
PLANNED = ("imitation-losses-have-a-fixed-null-space",)
COQ = (
    "Losses.wmse_compatible",
    "Losses.mse_compatible",
    "Losses.ce_compatible",
    "Losses.masked_ce_compatible",
    "Losses.through_compatible",
    "Losses.variance_zero_iff",
)
SCOPE = "n = 1..5 by sympy, n = 2, 3 by z3, every n in Coq"
NOT_COVERED = "subsets that move with y, as a top-k of the teacher's does; there the clause fails"


def _law(n, name="e"):
    """Any softmax: e_i/Σe, e > 0."""
    e = symbols(f"{name}:{n}", positive=True)
    return Matrix([each / sum(e) for each in e])


def _covariance(p):
    return diag(*p) - p * p.T


def _pairs(p, u):
    return [p[i] * p[j] * (u[i] - u[j]) ** 2 for i, j in combinations(range(len(p)), 2)]


@step
def form_is_a_sum_over_pairs():
    """uᵀ(diag(p) − ppᵀ)u = Σ_{i<j} p_i p_j (u_i − u_j)²."""
    for n in range(1, 6):
        p, u = _law(n), Matrix(symbols(f"u:{n}", real=True))
        equal((u.T * _covariance(p) * u)[0], sum(_pairs(p, u)))


@step
def form_is_zero_iff_constant():
    """Every pair is ≥ 0, a pair of unequal u is > 0, and M1 = 0."""
    for n in range(2, 7):
        for pair in _pairs(_law(n), symbols(f"u:{n}", real=True)):
            nonnegative(pair)
        equal(_covariance(_law(n)) * ones(n, 1), zeros(n, 1))
    positive(_pairs(_law(2), [0, symbols("d", positive=True)])[0])


@step
def constants_are_orthogonal_to_every_residual():
    """⟨softmax(z) − softmax(y), 1⟩ = 0 for every y."""
    for n in range(1, 7):
        equal((_law(n, "p") - _law(n, "q")).dot(ones(n, 1)), 0)


@step
def squared_error():
    """uᵀMu = 2 Σ w_i u_i² > 0 if a seen output moves; if only unseen ones do, form and ⟨∂l/∂z, u⟩ are 0."""
    for seen in range(1, 4):
        n = 2 * seen
        w = Matrix([*symbols(f"w:{seen}", positive=True), *zeros(seen, 1)])
        z, y = (Matrix(symbols(f"{name}:{n}", real=True)) for name in "zy")
        loss = sum(w[i] * (z[i] - y[i]) ** 2 for i in range(n))
        M, gradient = hessian(loss, list(z)), Matrix([loss]).jacobian(z)
        equal(M, 2 * diag(*w))
        equal(gradient.T, M * (z - y))
        u, unseen = symbols(f"u:{n}", positive=True), Matrix([*zeros(seen, 1), *symbols(f"v:{seen}")])
        positive((Matrix([u]) * M * Matrix(u))[0])
        equal(gradient * unseen, zeros(1, 1))


@step
def subset_of_the_logits():
    """Softmax over the first m of n logits: the form is the subset's, and (c, ..., c, anything) is orthogonal."""
    for m, n in combinations(range(1, 5), 2):
        z, u = Matrix(symbols(f"z:{n}", real=True)), Matrix(symbols(f"u:{n}", real=True))
        p, labels = Matrix([exp(each) / sum(map(exp, z[:m])) for each in z[:m]]), _law(m)
        loss = log(sum(map(exp, z[:m]))) - labels.dot(z[:m])
        equal((u.T * hessian(loss, list(z)) * u)[0], sum(_pairs(p, u[:m])))
        unseen = Matrix([*(u[0] * ones(m, 1)), *u[m:]])
        equal(Matrix([loss]).jacobian(z) * unseen, zeros(1, 1))


@step
def positive_laws_only():
    """By z3: with every p_i > 0 a form of 0 forces u_0 = u_i and ⟨q − p, u⟩ = 0; without p_i > 0 it does not."""
    solver = z3()
    for n in range(2, 4):
        p, q, u = (solver.Reals([f"{name}{i}" for i in range(n)]) for name in "pqu")
        form = sum(a * b**2 for a, b in zip(p, u, strict=True)) - sum(map(mul, p, u)) ** 2
        law = [*(each > 0 for each in p), sum(p) == 1, form == 0]
        entails(law, solver.And(*(u[0] == each for each in u[1:])))
        entails([*law, sum(q) == 1], sum(map(mul, q, u)) == sum(map(mul, p, u)))
