"""The alignment is one inner product in output space, exact for every size of the teacher's step.

Statement. Let a student at any θ0_S take the step Δθ_S = −∇_θ E_x l(f_θ(x), y(x)), y(x) = f_{θ0+εΔ}(x). Then

    D(ε) = ⟨Δθ_S, Δ⟩ = −E_x ⟨∂l/∂z(z(x), y(x)), J(x)Δ⟩   for every ε,

with z(x) and J(x) the outputs of the student and their Jacobian at θ0_S. For l = Σ w_i (z_i − y_i)² this is
2E Σ w_i (y_i − z_i)(JΔ)_i, for softmax cross-entropy E ⟨softmax(y) − softmax(z), JΔ⟩.

Assumptions. f_θ(x) differentiable in θ at θ0_S, l in z; the labels are constants for the student, who takes one plain
gradient step on all parameters. Neither a small ε nor a shared init is needed: Δ and y may be anything.

Proof. The chain rule: ∇_θ l(f_θ, y) = Jᵀ ∂l/∂z, and ⟨Jᵀr, Δ⟩ = ⟨r, JΔ⟩. The labels depend on ε and not on θ; if they
moved with θ as well, the gradient would be another one. The identity holds for arbitrary y, hence for every ε.

Source. arXiv 2507.14805, App. C, first step of the proof of Lemma 1.
"""

from sympy import Function, Matrix, diag, diff, exp, log, symbols

from subtheory.proof import equal, step

CLAIMS = ("alignment-by-one-jvp",)
COQ = ("OneStep.alignment",)
SCOPE = "undefined f and l, 2 inputs, n = 1..3 outputs of n parameters by sympy; all sizes in Coq"
NOT_COVERED = "expectations over infinitely many inputs, where gradient and mean have to commute"


def _both_ways(n, loss, pull):
    """⟨Δθ_S, Δ⟩ from its definition, and E⟨r, JΔ⟩ with r = −∂l/∂z spelt out, on two inputs of probability p_x."""
    theta, Delta = (Matrix(symbols(f"{name}:{n}")) for name in ("theta", "Delta"))
    p, z, y = symbols("p:2"), [], []
    for x in range(2):
        z.append(Matrix([Function(f"f{x}_{i}")(*theta) for i in range(n)]))
        y.append(Matrix(symbols(f"y{x}_:{n}")))
    L_S = sum(p[x] * loss(z[x], y[x]) for x in range(2))
    student = -Matrix([L_S]).jacobian(theta)
    by_jvp = sum(p[x] * pull(z[x], y[x]).dot(z[x].jacobian(theta) * Delta) for x in range(2))
    return student.dot(Delta), by_jvp


def _weights(z):
    return diag(*symbols(f"w:{len(z)}"))


def _softmax(z):
    return Matrix([exp(each) / sum(map(exp, z)) for each in z])


@step
def squared_error():
    """l = Σ w_i (z_i − y_i)²: D = 2E Σ w_i (y_i − z_i)(JΔ)_i."""
    for n in range(1, 4):
        equal(*_both_ways(n, lambda z, y: (z - y).dot(_weights(z) * (z - y)), lambda z, y: 2 * _weights(z) * (y - z)))


@step
def cross_entropy():
    """l = logsumexp(z) − ⟨softmax(y), z⟩: D = E ⟨softmax(y) − softmax(z), JΔ⟩."""
    for n in range(1, 4):
        equal(
            *_both_ways(
                n,
                lambda z, y: log(sum(map(exp, z))) - _softmax(y).dot(z),
                lambda z, y: _softmax(y) - _softmax(z),
            )
        )


@step
def any_loss():
    """l(z, y) undefined: D = −E ⟨∂l/∂z, JΔ⟩."""
    loss = Function("l")
    for n in range(1, 4):
        equal(
            *_both_ways(
                n,
                lambda z, y: loss(*z, *y),
                lambda z, y: Matrix([-diff(loss(*z, *y), each) for each in z]),
            )
        )


@step
def labels_are_constants():
    """f = θ, l = (z − y)²: the label θ0 + ε gives D = 2ε at θ0; a label θ + ε, moved along, would give 0."""
    theta, theta0, eps = symbols("theta theta0 eps")
    label = theta0 + eps
    for y, D in ((label, 2 * eps), (label.subs(theta0, theta), 0)):
        equal(-diff((theta - y) ** 2, theta).subs(theta, theta0), D)
