"""The other alternative: a direction that the channel does not see leaves the alignment exactly zero, for every ε.

Statement. If q = ΔᵀGΔ = 0 and the loss has a fixed null space, D(ε) = 0 for every ε; but the trait loss may rise. With
f = θ1 + θ0², L_T = −θ0 + θ1² at θ0 = (0, 0), Δ = −∇L_T = (1, 0) and squared error,

    D(ε) = 0 and L_T(θ0 + αΔθ_S) − L_T(θ0) = 4α²ε⁴ > 0   for every ε ≠ 0.

Without the clause on the null space the first half is false: for the Bregman loss of
A = z0⁶ − z0 z1² + 7 z1² + z0² z1², convex for |z0| ≤ 1, and outputs (ε, ε²), q = 0 and D(ε) = ε⁴(8ε − 1), which is
negative for 0 < ε < 1/8.

Assumptions. For the first half: M ⪰ 0, and Mu = 0 implies ⟨∂l/∂z(z, y), u⟩ = 0 for every y. A shared init.

Proof. E[uᵀMu] = 0 gives Mu = 0, and the alignment identity D = −E⟨∂l/∂z, u⟩ gives 0 whatever the labels are. So it
is for a constant added to all logits under softmax, and for outputs that squared error does not weigh. In the example
u = 0, but the teacher's outputs move by ε², and the student follows them in θ1 by 2αε². The sextic has
∇²A(0) = diag(0, 14), which does not see (1, 0), while ∇A(ε, ε²) − ∇A(0) does.

Source. arXiv 2507.14805, App. C, Theorem 1, first alternative. With half of the squared error the rise is α²ε⁴.
"""

from sympy import Matrix, Rational, diag, exp, hessian, log, ones, symbols, zeros

from subtheory.proof import equal, nonnegative, positive, step

CLAIMS = ("zero-branch-is-exact", "zero-branch-promises-nothing")
USES = ("alignment_identity", "psd_and_null_space")
COQ = (
    "OneStep.lemma_one",
    "Alternatives.second_case_mse",
    "Alternatives.second_case_ce",
    "Alternatives.second_case_masked_ce",
    "Counterexamples.zero_branch_promises_nothing",
    "NullClause.convex_loss_without_null_clause",
)
SCOPE = "n = 1..6 outputs by sympy, every n in Coq; the examples are exact"
NOT_COVERED = "several student steps, after which the alternative no longer holds"

EPS, ALPHA = symbols("eps alpha", positive=True)


def _gradient(function, at):
    return Matrix([function]).jacobian(at)


def _sextic(z):
    a, b = z
    return a**6 - a * b**2 + 7 * b**2 + a**2 * b**2


@step
def constant_added_to_all_logits():
    """l = logsumexp(z) − ⟨softmax(y), z⟩, u = (c, ..., c): D = −⟨∂l/∂z, u⟩ = 0 for every y, hence for every ε."""
    for n in range(1, 7):
        z, y = (Matrix(symbols(f"{name}:{n}")) for name in "zy")
        labels = y.applyfunc(exp) / sum(map(exp, y))
        loss = log(sum(map(exp, z))) - labels.dot(z)
        equal(_gradient(loss, z) * ones(n, 1), zeros(1, 1))


@step
def outputs_without_weight():
    """l = Σ w_i (z_i − y_i)², u = 0 wherever w_i > 0: D = 0 for every y; a seen output would give 2w(y − z)u."""
    w, seen, unseen = symbols("w seen unseen")
    z, y = Matrix(symbols("z:2")), Matrix(symbols("y:2"))
    pull = -_gradient((z - y).dot(diag(w, 0) * (z - y)), z)
    equal(pull * Matrix([0, unseen]), zeros(1, 1))
    equal(pull * Matrix([seen, unseen]), Matrix([2 * w * (y[0] - z[0]) * seen]))


@step
def trait_loss_may_rise():
    """f = θ1 + θ0², L_T = −θ0 + θ1² at 0: Δ = (1, 0), D = 0, Δθ_S = (0, 2ε²), ΔL_T = 4α²ε⁴."""
    theta, y = Matrix(symbols("theta:2")), symbols("y")
    start = dict.fromkeys(theta, 0)
    f, L_T = theta[1] + theta[0] ** 2, -theta[0] + theta[1] ** 2
    Delta = -_gradient(L_T, theta).subs(start)
    label = f.subs(dict(zip(theta, EPS * Delta, strict=True)))
    student = -_gradient((f - y) ** 2, theta).subs(start).subs(y, label)
    equal(student.dot(Delta), 0)
    rise = L_T.subs(dict(zip(theta, ALPHA * student, strict=True)))
    equal([*Delta, *student, rise], [1, 0, 0, 2 * EPS**2, 4 * ALPHA**2 * EPS**4])
    positive(rise)


@step
def null_space_has_to_stay():
    """l = A(z) − A(y) − ⟨∇A(y), z − y⟩ at z = 0, y = (ε, ε²), u = (1, 0): uᵀMu = 0 and D = ε⁴(8ε − 1)."""
    z, y, u = Matrix(symbols("z:2")), Matrix(symbols("y:2")), Matrix([1, 0])
    loss = _sextic(z) - _sextic(y) - _gradient(_sextic(y), y).dot(z - y)
    equal(loss.subs(dict(zip(z, y, strict=True))), 0)
    start = dict.fromkeys(z, 0)
    equal(hessian(loss, list(z)).subs(start), diag(0, 14))
    D = -(_gradient(loss, z) * u)[0].subs(start).subs(dict(zip(y, (EPS, EPS**2), strict=True)))
    equal(D, EPS**4 * (8 * EPS - 1))
    equal(D.subs(EPS, Rational(1, 16)), -Rational(1, 131072))


def _product(b, s, t):
    return 12 * b**2 * (1 + t) * s


@step
def sextic_is_convex():
    """∇²A has A_11 > 0 and determinant 30a⁴A_11 + 12b²(1 + (1 − a))(1 + a), ≥ 0 for |a| ≤ 1."""
    a, b = symbols("a b", real=True)
    H = hessian(_sextic((a, b)), [a, b])
    second = 2 * (a - Rational(1, 2)) ** 2 + Rational(27, 2)
    equal(H[1, 1], second)
    positive(second)
    first = 30 * a**4 * second
    nonnegative(first)
    nonnegative(_product(b, *symbols("s t", nonnegative=True)))
    equal(H.det(), first + _product(b, 1 + a, 1 - a))
