"""Shared initialisation is needed: equal outputs and equal losses of another init do not do.

Statement. Let f = θ0θ1 and L_T = (θ0 − 1)²/2, a teacher that starts at (0, 1) and a student at (0, −1), where outputs,
L_T and ∇L_T are the same. For every ε, α > 0 the student's step has Δθ_S · Δ = −2ε < 0, and L_T rises from 1/2
to (1 + 2αε)²/2. For any network and inits θ_S, θ_T of teacher and student

    D(ε) = 2 Σ w (f(θ_T) − f(θ_S)) (J_S Δ) + 2ε Σ w (J_T Δ)(J_S Δ) + O(ε²):

the step for the labels of the teacher before its update comes at order 0, and does not know the trait.

Assumptions. f differentiable at both inits; squared error l = Σ w(z − y)².

Proof. Δ = −∇L_T(0, 1) = (1, 0), the label is ε, f = 0 at the student and ∇f = (−1, 0) there; so the step is −2ε(1, 0).
The expansion is that of f(θ_T + εΔ) in −∇l = 2w(y − f)∇f.

Source. arXiv 2507.14805, App. C, second remark; Coq, Counterexamples, where l is halved.
"""

from sympy import Function, Rational, Symbol, diff, symbols

from subtheory.proof import equal, negative, positive, step

CLAIMS = ()
PLANNED = ("other-init-raises-the-trait-loss", "other-init-adds-a-term-of-order-zero")
COQ = ("Counterexamples.shared_initialisation_needed",)
SCOPE = (
    "the example exactly; the expansion for undefined functions of 2 parameters and one output, as all others are sums"
)
NOT_COVERED = "inits that an orthogonal symmetry of the network connects, for which L_T falls all the same"


def _step(f, theta, y, w):
    """−∇ w(f(θ) − y)²."""
    names = symbols("a b", real=True)
    at = dict(zip(names, theta, strict=True))
    return [-diff(w * (f(*names) - y) ** 2, name).subs(at).doit() for name in names]


@step
def same_outputs_and_losses():
    """f = 0, L_T = 1/2 and ∇L_T = (−1, 0) at both inits, so Δ = (1, 0) for a teacher's rate of 1."""
    a, b = symbols("a b", real=True)
    trait = (a - 1) ** 2 / 2
    for init in ({a: 0, b: 1}, {a: 0, b: -1}):
        values = [each.subs(init) for each in (a * b, trait, diff(trait, a), diff(trait, b))]
        equal(values, [0, Rational(1, 2), -1, 0])


@step
def trait_loss_rises():
    """Δθ_S = (−2ε, 0), Δθ_S · Δ = −2ε, and L_T at the student is (1 + 2αε)²/2; a shared init has (2ε, 0)."""
    eps, alpha = symbols("epsilon alpha", positive=True)
    moved = _step(lambda a, b: a * b, (0, -1), eps, 1)
    equal(moved, [-2 * eps, 0])
    negative(moved[0])
    rise = ((alpha * moved[0] - 1) ** 2 - 1) / 2
    equal(rise, 2 * alpha * eps * (1 + alpha * eps))
    positive(rise)
    equal(_step(lambda a, b: a * b, (0, 1), eps, 1), [2 * eps, 0])


@step
def order_zero():
    """D(0) = 2w(f_T − f_S) J_SΔ and D′(0) = 2w(J_TΔ)(J_SΔ), for an undefined f of two parameters."""
    eps, w, Delta = Symbol("epsilon"), Symbol("w"), symbols("Delta:2")
    f, S, T = Function("f"), symbols("S:2"), symbols("T:2")

    def along(init):
        return sum(diff(f(*init), name) * delta for name, delta in zip(init, Delta, strict=True))

    y = f(*[name + eps * delta for name, delta in zip(T, Delta, strict=True)])
    D = sum(each * delta for each, delta in zip(_step(f, S, y, w), Delta, strict=True))
    equal(D.subs(eps, 0), 2 * w * (f(*T) - f(*S)) * along(S))
    equal(diff(D, eps).subs(eps, 0).doit(), 2 * w * along(T) * along(S))
