"""A permuted init transmits exactly as the shared one does, though parameters no longer align; a rescaled one need not.

Statement. Let S be an orthogonal map with f(Sθ) = f(θ) for all θ, as a permutation of hidden units is, and L_T(Sθ) =
L_T(θ). A student from Sθ0 makes the step Sv, where v is the step from θ0, and has the same change of L_T. ⟨Sv, Δ⟩ can
have any sign. The rescaling T = diag(c, 1/c) of a ReLU unit keeps f as well, but is not orthogonal: L_T can rise.
With a metric carried along, F′ = T⁻ᵀFT⁻¹, the step F⁻¹∇L_S is equivariant again, and L_T changes as from θ0.

Assumptions. The student's labels are the same; F is invertible.

Proof. Differentiate L(Sθ) = L(θ): Sᵀ∇L(Sθ) = ∇L(θ), so ∇L(Sθ) = S∇L(θ) as SSᵀ = I, and L_T(Sθ0 + αSv) = L_T(θ0 + αv).
For T it is ∇L(Tθ) = T⁻ᵀ∇L(θ), and F′⁻¹T⁻ᵀ = TF⁻¹. Example: f(x) = b relu(a · x) with a = (1, 1), b = 1 and c = 2,
distilled at x = (2, −1), L_T = f(−1, 2). The kernel of the two inputs is −4 + 1 at θ0 and −4/4 + 4 after T.

Source. Derived here; Coq, Symmetry.
"""

from sympy import Function, Matrix, Rational, Symbol, diag, diff, eye, symbols

from subtheory.proof import equal, positive, step

CLAIMS = ("permuted-init-transmits-alike", "rescaled-init-can-raise-the-trait-loss", "carried-metric-undoes-rescaling")
COQ = (
    "Symmetry.gradient_equivariance",
    "Symmetry.step_equivariance",
    "Symmetry.same_function_after_step",
    "Symmetry.permutation_equivariance",
    "Symmetry.negative_alignment_same_transmission",
)
SCOPE = "two hidden units with undefined activation for the permutation; one ReLU unit for rescaling; prose for all"
NOT_COVERED = "natural gradients with a singular metric, where the choice of the generalised inverse matters"


def _step(f, theta0, y):
    """−∇(f − y)² at θ0, for a network f of its list of parameters."""
    names = symbols(f"theta:{len(theta0)}", real=True)
    at = dict(zip(names, theta0, strict=True))
    return Matrix([-diff((f(Matrix(names)) - y) ** 2, name).subs(at).doit() for name in names])


@step
def permutation_is_equivariant():
    """f = b₀φ(a₀x) + b₁φ(a₁x) for an undefined φ: swapping the units swaps the step, and S is orthogonal."""
    phi, x, y = Function("phi"), Symbol("x"), Symbol("y")
    theta0, S = Matrix(symbols("a0 b0 a1 b1")), Matrix([[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]])

    def f(theta):
        return theta[1] * phi(theta[0] * x) + theta[3] * phi(theta[2] * x)

    equal(S * S.T, eye(4))
    equal(f(S * theta0), f(theta0))
    equal(_step(f, S * theta0, y), S * _step(f, theta0, y))


@step
def parameters_need_not_align():
    """f = θ0² + θ1², L_T = (θ0 − θ1)²/2 at (1, 2), Δ = (1, −1): D′(0) = 8 from θ0 and −8 from Sθ0."""
    eps, theta0, Delta = Symbol("epsilon", real=True), Matrix([1, 2]), Matrix([1, -1])
    S = Matrix([[0, 1], [1, 0]])

    def f(theta):
        return theta.dot(theta)

    y = f(theta0 + eps * Delta)
    slopes = [diff(_step(f, init, y).dot(Delta), eps).subs(eps, 0) for init in (theta0, S * theta0)]
    equal(slopes, [8, -8])


def _active(theta, x):
    """a · x for θ = (a, b), the pre-activation of the unit."""
    return theta[0] * x[0] + theta[1] * x[1]


def _unit(theta, x):
    """b relu(a · x) near an active pre-activation."""
    return theta[2] * _active(theta, x)


def _gradient(theta0, x):
    """∇f at x."""
    names = Matrix(symbols("theta:3", real=True))
    return Matrix([diff(_unit(names, x), name) for name in names]).subs(dict(zip(names, theta0, strict=True)))


@step
def rescaling_raises_the_trait_loss():
    """∇L_T · Δθ_S = −18ε + O(ε²) from θ0 and 18ε + O(ε²) from Tθ0, c = 2, where both outputs are the same."""
    eps, theta0, T = Symbol("epsilon", real=True), Matrix([1, 1, 1]), diag(2, 2, Rational(1, 2))
    x, other = Matrix([2, -1]), Matrix([-1, 2])
    Delta = -_gradient(theta0, other)
    y = _unit(theta0 + eps * Delta, x)
    for init, slope in (theta0, -18), (T * theta0, 18):
        moved = _step(lambda theta: _unit(theta, x), init, y)
        equal(diff(_gradient(init, other).dot(moved), eps).subs(eps, 0), slope)
        equal([_unit(init, each) for each in (x, other)], [1, 1])
        positive(_active(init, x))
        positive(_active(init, other))


@step
def carried_metric():
    """∇f(Tθ0) = T⁻ᵀ∇f(θ0), and with F′ = T⁻ᵀFT⁻¹ the step F′⁻¹∇f(Tθ0) is TF⁻¹∇f(θ0), for every symmetric F."""
    c, x, theta0 = Symbol("c", positive=True), symbols("x:2"), Matrix(symbols("a0 a1 b"))
    F, T = Matrix([symbols("F:3"), symbols("F1 F3:5"), symbols("F2 F4:6")]), diag(c, c, 1 / c)
    equal(_unit(T * theta0, x), _unit(theta0, x))
    there, here = _gradient(T * theta0, x), _gradient(theta0, x)
    equal(there, T.inv().T * here)
    equal((T.inv().T * F * T.inv()).inv() * there, T * F.inv() * here)
