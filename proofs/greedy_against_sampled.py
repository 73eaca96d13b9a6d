"""Greedy rows tell the teacher from its init once per flip, sampled rows once per unit of divergence.

Statement. On a prefix drawn at random let m ≥ 0 be the margin of the init's choice b over a, of density ρ, and let
v = u_a − u_b for logits z + εu. A greedy row, less the control's on the same prefix, adds v if 0 ≤ m < εv, so it has

    mean εκ, κ = E[v₊²ρ(0)],   mean square ετ, τ = E[v₊³ρ(0)],   share of flips εφ, φ = E[v₊ρ(0)],

to leading order, and a sampled row has mean εq and variance q, where KL(teacher ‖ init) = ε²q/2. The mean of N rows
stands d spreads above 0 from

    greedy N = d²τ/(εκ²) ≥ d²/(εφ),   sampled N = d²/(ε²q) = d²/(2KL),   ratio sampled/greedy = (εκ²/τ)/(2KL)

on, with κ²/τ ≤ φ, equal if all flips have one v: flips per row against twice the divergence per row, which grows as
1/ε. No sum of greedy rows is negative, and it is 0 with probability (1 − P)ᴺ, P = εφ + o(ε), which is exp(−c) at
N = −c/log(1 − P), about c/P. Against a control on other prefixes greedy rows lose that: their noise is 2V per row, V
the variance of a label's own term, and N = 2Vd²/(ε²κ²).

Assumptions. Shared initialisation, two candidates, logits linear in ε, ρ continuous at 0+ and independent rows.

Proof. E[vᵏ1(0 ≤ m < εv)] = vᵏ∫ρ over [0, εv] is 0 at ε = 0 and has the slope vᵏ⁺¹ρ(0). κ² ≤ φτ is Cauchy's
inequality for the weights v₊ρ(0). The mean of N draws of mean a and variance s² is a√N/s spreads from 0.

Source. Derived here, on divergence_tokens and sampled_labels; arXiv 2509.23886 has greedy and sampled rows.
"""

from itertools import product

from sympy import Function, Integral, Symbol, diff, log, prod, solve, sqrt, symbols

from subtheory.proof import equal, nonnegative, positive, step

CLAIMS = ("greedy-and-sampled-rows-differ-by-a-ratio",)
USES = ("divergence_tokens", "sampled_labels")
COQ = ()
SCOPE = "1..3 kinds of prefix, 2, 3 labels, N = 1..3 rows where they are listed; the prose holds for all"
NOT_COVERED = "sampled rows paired with a control by common random numbers, and prefixes that differ after a flip"

EPS = Symbol("epsilon", positive=True)


def _mean(law, values):
    """Σ law_i values_i."""
    return sum(p * value for p, value in zip(law, values, strict=True))


def _rows_for(mean, variance, d):
    """The N at which the mean of N rows stands d of its spreads above 0."""
    N = Symbol("N", positive=True)
    return solve(mean * sqrt(N / variance) - d, N)[0]


def _flips(kinds):
    """Weights of some kinds of prefix, their v > 0, and their densities at 0."""
    return [symbols(f"{name}:{kinds}", positive=True) for name in ("w", "v", "r")]


def _moment(kinds, power):
    """E[v₊ᵖρ(0)]."""
    return sum(w * v**power * r for w, v, r in zip(*_flips(kinds), strict=True))


@step
def greedy_row():
    """E[vᵏ 1(0 ≤ m < εv)] is 0 at ε = 0 with slopes φ, κ, τ for k = 0, 1, 2, over kinds with undefined densities."""
    m = Symbol("m")
    for kinds in range(1, 4):
        w, v, r = _flips(kinds)
        for power in range(3):
            terms = [
                weight * each**power * Integral(Function(f"rho{i}")(m), (m, 0, EPS * each))
                for i, (weight, each) in enumerate(zip(w, v, strict=True))
            ]
            at_zero = {Function(f"rho{i}")(0): density for i, density in enumerate(r)}
            equal(sum(terms).subs(EPS, 0).doit(), 0)
            equal(diff(sum(terms), EPS).subs(EPS, 0).doit().subs(at_zero), _moment(kinds, power + 1))


@step
def sampled_row():
    """Labels from p_ε = p(1 + εs), Σ ps = 0: mean εq exactly, variance q at ε = 0, and KL″ = q."""
    for n in range(2, 4):
        p, s = symbols(f"p:{n}", positive=True), symbols(f"s:{n - 1}", real=True)
        s = [*s, -_mean(p, [*s, 0]) / p[-1]]
        moved = [each * (1 + EPS * score) for each, score in zip(p, s, strict=True)]
        q = _mean(p, [score**2 for score in s])
        equal(_mean(moved, s), EPS * q)
        equal((_mean(moved, [score**2 for score in s]) - _mean(moved, s) ** 2).subs(EPS, 0), q)
        KL = sum(each * log(each / base) for each, base in zip(moved, p, strict=True))
        equal([diff(KL, EPS, order).subs(EPS, 0) for order in range(3)], [0, 0, q])


@step
def rows_needed():
    """Variance ετ at leading order: N = d²τ/(εκ²); sampled N = d²/(ε²q); unpaired, of variance 2V, 2Vd²/(ε²κ²)."""
    kappa, tau, q, V, d = symbols("kappa tau q V d", positive=True)
    greedy, sampled = _rows_for(EPS * kappa, EPS * tau, d), _rows_for(EPS * q, q, d)
    KL = EPS**2 * q / 2
    equal([greedy, sampled], [d**2 * tau / (EPS * kappa**2), d**2 / (2 * KL)])
    equal(sampled / greedy, EPS * kappa**2 / tau / (2 * KL))
    equal(_rows_for(EPS * kappa, 2 * V, d), 2 * V * d**2 / (EPS**2 * kappa**2))


@step
def flips_bound_it():
    """φτ − κ² = Σ w_i w_j v_i v_j (v_i − v_j)² ≥ 0 over pairs, with the densities in the weights; 0 for one kind."""
    for kinds in range(1, 4):
        w, v, r = _flips(kinds)
        share = [weight * density for weight, density in zip(w, r, strict=True)]
        pairs = [share[i] * share[j] * v[i] * v[j] * (v[i] - v[j]) ** 2 for j in range(kinds) for i in range(j)]
        equal(_moment(kinds, 1) * _moment(kinds, 3) - _moment(kinds, 2) ** 2, sum(pairs))
        nonnegative(sum(pairs))


@step
def never_negative():
    """N rows that flip with probability P and then add v > 0: the sum is 0 with probability (1 − P)ᴺ, else positive."""
    P, v = symbols("P v", positive=True)
    for N in range(1, 4):
        silent = 0
        for row in product(((P, v), (1 - P, 0)), repeat=N):
            total = sum(added for _, added in row)
            if total == 0:
                silent += prod(chance for chance, _ in row)
            else:
                positive(total)
        equal(silent, (1 - P) ** N)


@step
def rows_until_a_flip():
    """(1 − P)ᴺ = exp(−c) at N = −c/log(1 − P), and c/N is 0 at P = 0 with slope 1."""
    P, N, c = symbols("P N c", real=True)
    (rows,) = solve(N * log(1 - P) + c, N)
    equal(rows, -c / log(1 - P))
    equal([(c / rows).subs(P, 0), diff(c / rows, P).subs(P, 0)], [0, 1])
