"""A student that trains only a part of the parameters may turn away; teacher and student need the same part.

Statement. Let Q project onto the trained parameters, and Q_1, ..., Q_L onto the layers, Σ Q_l = I. To first order in ε

    D = ε ΔᵀQGΔ,   D_l = ε ΔᵀQ_l GΔ,   Σ D_l = εq.

ΔᵀQGΔ can be negative, and a D_l can exceed εq. If the teacher moves only that part, Δ = QΔ, it is ΔᵀQGQΔ ≥ 0.

Assumptions. Shared initialisation; Q is symmetric with Q² = Q.

Proof. The student's step is −Q∇L_S = εQGΔ + O(ε²). For f = θ0 + θ1 with w = 1/2, that is G = kkᵀ with k = (1, 1),
and Δ = (1, −3), Q = diag(1, 0): ΔᵀQk = 1 and k · Δ = −2. With Δ = QΔ the form is (JQΔ)ᵀM(JQΔ).

Source. Derived here; frozen layers in arXiv 2509.23886.
"""

from sympy import Function, Matrix, Symbol, diag, diff, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = (
    "frozen-parameters-can-reverse-alignment",
    "layers-add-up-to-the-alignment",
    "matched-restriction-aligns",
    "one-added-vector-aligns",
)
USES = ("gauss_newton_form",)
COQ = ("Counterexamples.frozen_parameter",)
SCOPE = "undefined f of 3 parameters for the first order; n = 1..5 for the sum and the sign"
NOT_COVERED = "second and later steps, in which the trained part sees what the frozen part lacks"


def _step(f, theta0, y):
    """−∇ (f(θ) − y)² / 2 at θ0, so that M = 1."""
    names = symbols(f"a:{len(theta0)}")
    at = dict(zip(names, theta0, strict=True))
    return Matrix([-diff((f(*names) - y) ** 2 / 2, name).subs(at).doit() for name in names])


@step
def first_order():
    """(Q Δθ_S · Δ)/ε → (QΔ · k)(k · Δ) with k = ∇f, for an undefined f and every diagonal Q."""
    f, eps = Function("f"), Symbol("epsilon")
    theta0, Delta = symbols("t:3"), symbols("d:3")
    y = f(*[name + eps * delta for name, delta in zip(theta0, Delta, strict=True)])
    k, moved = Matrix([diff(f(*theta0), name) for name in theta0]), _step(f, theta0, y)
    Q = diag(*symbols("q:3"))
    D = (Q * moved).dot(Matrix(Delta))
    equal(diff(D, eps).subs(eps, 0).doit(), (Q * Matrix(Delta)).dot(k) * k.dot(Matrix(Delta)))


@step
def frozen_parameters_reverse():
    """f = θ0 + θ1, Δ = (1, −3): θ0 alone has D = −2ε, θ1 alone 6ε, both 4ε = εq."""
    eps, Delta = Symbol("epsilon", real=True), Matrix([1, -3])
    moved = _step(lambda a, b: a + b, (0, 0), eps * sum(Delta))
    layers = [(Q * moved).dot(Delta) for Q in (diag(1, 0), diag(0, 1))]
    equal(layers, [-2 * eps, 6 * eps])
    equal(sum(layers), moved.dot(Delta))
    equal(moved.dot(Delta), 4 * eps)


@step
def layers_add_up():
    """Σ ΔᵀQ_l GΔ = ΔᵀGΔ over one-parameter layers, for every symmetric G; so over all coarser layers."""
    for n in range(1, 6):
        G, Delta = Matrix(n, n, symbols(f"G:{n * n}")), Matrix(symbols(f"d:{n}"))
        layers = [Delta.dot(diag(*[int(i == layer) for i in range(n)]) * G * Delta) for layer in range(n)]
        equal(sum(layers), Delta.dot(G * Delta))


@step
def matched_restriction():
    """Δ = QΔ makes ΔᵀQGΔ = (JQΔ)ᵀM(JQΔ) ≥ 0 for G = JᵀMJ, M = diag(m) and a general projector Q of rank 1."""
    for n in range(1, 4):
        J, x = Matrix(2, n, symbols(f"J:{2 * n}", real=True)), Matrix(symbols(f"x:{n}", real=True))
        m = symbols("m:2", positive=True)
        Q = x * x.T / x.dot(x)
        G = J.T * diag(*m) * J
        form = sum(each * u**2 for each, u in zip(m, J * x, strict=True))
        equal(x.dot(Q * G * x), form)
        nonnegative(form)
