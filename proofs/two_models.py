"""Row scores by two models add up: a group of n rows is told apart as well as one row at √n times the distance.

Statement. Score a row x by L(x) = log p(x) − log p0(x), for two models p and p0. Over independent rows L adds up. If L
is normal with variance σ² in the rows of two sources, with means dσ apart, then for a group of n rows of each

    P(mean of the first > mean of the second) = AUROC = Φ(d √(n/2)),

the value of one row at distance d√n. It rises to 1 if d > 0, and is 1/2 for every n if d = 0: a control direction that
gives both sources the same mean stays at chance. If the models are the laws N(d, 1) and N(0, 1) of the sources, L is
normal at distance d again, and AUROC = Φ(√(n KL)). With correlation ρ of any two rows of a group, 0 < ρ < 1, AUROC
stays below Φ(d/√(2ρ)): independence is needed.

Assumptions. Independent rows and groups, normal scores of one variance. Sums have the same AUROC as means.

Proof. E exp(sL) = exp(μs + σ²s²/2) by completing the square. Independent rows multiply: the mean of n has
exp(μs + σ²s²/(2n)), the difference of two such groups exp(dσs + σ²s²/n), which is the normal law with mean dσ and
variance 2σ²/n, and P(W > 0) = Φ(m/√v) for a normal W. For N(d, 1) and N(0, 1), L = d(x − d/2), with means ± d²/2,
variance d², and KL = d²/2. With correlation the variance of a group's mean is σ²(ρ + (1 − ρ)/n) > ρσ².

Source. Derived here; detection has the same boundary for laws that are ε apart.
"""

from sympy import Rational, diff, erf, exp, expand_log, eye, limit, log, ones, oo, pi, prod, sqrt, symbols

from subtheory.proof import equal, positive, step

CLAIMS = ("group-auroc-follows-root-n", "matched-direction-stays-at-chance")
PLANNED = ()
COQ = ()
SCOPE = "n = 1..4 rows where rows are listed, else every n; normal laws with any mean and variance"
NOT_COVERED = "scores that are not normal, for which the central limit theorem gives Φ at large n and small d only"

X, S = symbols("x s", real=True)


def _density(mean, variance):
    """Of a normal law, at x."""
    return exp(-((X - mean) ** 2) / (2 * variance)) / sqrt(2 * pi * variance)


def _exponents(mean, variance):
    """log E exp(sx) of a normal law."""
    return mean * S + variance * S**2 / 2


def _distribution(x):
    """The normal distribution function."""
    return (1 + erf(x / sqrt(2))) / 2


def _auroc(mean, variance):
    """P(W > 0) for a normal W, the difference of the two groups."""
    return _distribution(mean / sqrt(variance))


@step
def rows_add_up():
    """log(Π p_i/Π p0_i) = Σ (log p_i − log p0_i)."""
    for n in range(1, 5):
        p, p0 = symbols(f"p:{n}", positive=True), symbols(f"a:{n}", positive=True)
        equal(expand_log(log(prod(p) / prod(p0))), sum(map(log, p)) - sum(map(log, p0)))


@step
def normal_law():
    """Φ′((x − m)/√v) is the density, Φ is 0 and 1 at ∓∞, and 1 − Φ(−m/√v) = Φ(m/√v) is P(x > 0)."""
    m, v = symbols("m v", real=True)
    equal(diff(_distribution((X - m) / sqrt(v)), X), _density(m, v))
    equal([limit(_distribution(X), X, side) for side in (-oo, oo)], [0, 1])
    equal(1 - _distribution(-m / sqrt(v)), _distribution(m / sqrt(v)))


@step
def moments():
    """exp(sx) N(μ, σ²) = exp(μs + σ²s²/2) N(μ + σ²s, σ²), whose integral over x is the first factor."""
    mu, variance = symbols("mu v", real=True)
    moved = exp(_exponents(mu, variance)) * _density(mu + variance * S, variance)
    equal(exp(S * X) * _density(mu, variance), moved)


@step
def groups():
    """log E exp(sX): of the mean of n rows n K(s/n), of the difference of two means that of mean dσ, variance 2σ²/n."""
    mu, sigma, d, n = symbols("mu sigma d n", real=True)
    first, second = _exponents(mu + d * sigma, sigma**2 / n), _exponents(mu, sigma**2 / n)
    equal(n * _exponents(mu, sigma**2).subs(S, S / n), second)
    equal(first + second.subs(S, -S), _exponents(d * sigma, 2 * sigma**2 / n))


@step
def root_n_law():
    """Φ(dσ/√(2σ²/n)) = Φ(d√(n/2)), the value of one row at d√n; it rises with n, to 1; for d = 0 it is 1/2."""
    d, n, sigma = symbols("d n sigma", positive=True)
    found, one_row = _auroc(d * sigma, 2 * sigma**2 / n), _auroc(d * sqrt(n) * sigma, 2 * sigma**2)
    equal([found, found], [_distribution(d * sqrt(n / 2)), one_row])
    positive(diff(found, n))
    equal([limit(found, n, oo), found.subs(d, 0)], [1, Rational(1, 2)])


@step
def rows_of_normal_laws():
    """L = d(x − d/2): means ± d²/2, deviation d, hence distance d; KL = d²/2, and Φ(d√(n/2)) = Φ(√(n KL))."""
    d, n = symbols("d n", positive=True)
    L = expand_log(log(_density(d, 1)) - log(_density(0, 1)), force=True)
    KL, other = L.subs(X, d), L.subs(X, 0)
    found = [L, KL, other, (KL - other) / diff(L, X), _auroc(d, 2 / n)]
    equal(found, [d * (X - d / 2), d**2 / 2, -(d**2) / 2, d, _distribution(sqrt(n * KL))])


@step
def correlated_rows():
    """The mean of n rows has variance ρ + (1 − ρ)/n > ρ in units of σ², and AUROC tends to Φ(d/√(2ρ))."""
    d, rho, rest, n = symbols("d rho r n", positive=True)
    for rows in range(1, 5):
        covariance = (1 - rho) * eye(rows) + rho * ones(rows, rows)
        equal(sum(covariance) / rows**2, rho + (1 - rho) / rows)
    variance = rho + (1 - rho) / n
    positive((variance - rho).subs(rho, 1 - rest))
    equal(limit(_auroc(d, 2 * variance), n, oo), _distribution(d / sqrt(2 * rho)))
