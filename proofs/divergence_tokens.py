"""A student of greedy labels learns the trait only where teacher and init differ, and there always towards it.

Statement. On one prefix let z be the logits of the init, u = JΔ, b = argmax z the init's label, a the teacher's. The
alignment that the label y contributes is u_y − Σ p_i u_i, so against a control of the init's labels

    a ≠ b adds u_a − u_b,   a = b adds 0.

If the teacher's logits are z + εu, every flip b → a adds u_a − u_b > 0. For two candidates with margin m = z_b − z_a of
density ρ, ρ continuous at 0+, and v = u_a − u_b, the expected sum is E[v 1(0 ≤ m < εv)] = ε v² ρ(0+) + o(ε) for v > 0.
Among rows of margin below δ ≥ εv it is larger by 1/P(m < δ).

Assumptions. Shared initialisation, common prefixes, logits linear in ε; without that only the support is as stated.

Proof. The softmax part Σ p_i u_i does not see the label and cancels. b is the init's choice, so z_b ≥ z_a; a is the
teacher's, so z_a + εu_a > z_b + εu_b; subtract. The integral of ρ from 0 to εv is εvρ(0+) + o(ε).

Source. Derived here; divergence tokens are those of arXiv 2509.23886.
"""

from sympy import Function, Integral, Symbol, diff, exp, log, symbols

from subtheory.proof import entails, equal, positive, step
from subtheory.proof.smt import z3

CLAIMS = (
    "trait-part-lives-on-divergence-tokens",
    "every-greedy-flip-aligns",
    "near-ties-carry-the-trait",
    "flips-add-up-by-the-density-of-ties",
)
COQ = ()
SCOPE = "n = 2..5 tokens; the sign for every n, as it concerns two tokens"
NOT_COVERED = "prefixes that differ because an earlier token did, and margins of more than two candidates at once"


def _alignment(z, u, label):
    """Δ · ∇ log p(label) at θ0, for logits z that move along u."""
    t = Symbol("t", real=True)
    moved = [each + t * slope for each, slope in zip(z, u, strict=True)]
    return diff(moved[label] - log(sum(map(exp, moved))), t).subs(t, 0)


@step
def flips_alone_contribute():
    """The label a contributes u_a − Σ p_i u_i; a against the control's b leaves u_a − u_b, and 0 if a = b."""
    for n in range(2, 6):
        z, u = symbols(f"z:{n}", real=True), symbols(f"u:{n}", real=True)
        softmax = sum(exp(each) * slope for each, slope in zip(z, u, strict=True)) / sum(map(exp, z))
        for a in range(n):
            equal(_alignment(z, u, a), u[a] - softmax)
            equal(_alignment(z, u, a) - _alignment(z, u, 0), u[a] - u[0])


@step
def linear_logits():
    """m = z_b − z_a ≥ 0 and an overtaking by h > 0 at ε: u_a − u_b = (m + h)/ε > 0."""
    eps, h = symbols("epsilon h", positive=True)
    m, z, u = Symbol("m", nonnegative=True), Symbol("z", real=True), symbols("u:2", real=True)
    rise = (m + h) / eps
    equal((z + eps * (u[1] + rise)) - (z + m + eps * u[1]), h)
    positive(rise)


@step
def every_flip_aligns():
    """z_b ≥ z_a, z_a + εu_a > z_b + εu_b and ε > 0 give u_a − u_b > 0, by z3, which needs all three."""
    za, zb, ua, ub, eps = z3().Reals("za zb ua ub epsilon")
    entails([zb >= za, za + eps * ua > zb + eps * ub, eps > 0], ua - ub > 0)


@step
def linearity_is_needed():
    """z_a(ε) = 3ε² − ε against z_b = ε²: the flip at ε = 2 contributes u_a − u_b = −1."""
    eps = Symbol("epsilon", real=True)
    lead = (3 * eps**2 - eps) - eps**2
    equal([lead.subs(eps, 0), lead.subs(eps, 2), diff(lead, eps).subs(eps, 0)], [0, 6, -1])


@step
def total():
    """E[v 1(0 ≤ m < εv)] = v∫ρ over [0, εv] is 0 at ε = 0 with slope v²ρ(0), and v²ρ(0)/P given m < δ."""
    eps, v, m, P, rho = *symbols("epsilon v m P"), Function("rho")
    for density, at_zero in (rho(m), rho(0)), (rho(m) / P, rho(0) / P):
        expected = v * Integral(density, (m, 0, eps * v))
        equal([expected.subs(eps, 0).doit(), diff(expected, eps).subs(eps, 0)], [0, v**2 * at_zero])
