"""Rows of the teacher's among rows of the init's add in proportion to their share, while what shows is a threshold.

Statement. Let a share μ of the labels come from the teacher and the rest from the init. Along every direction v, so for
the alignment and for any readout,

    D(mixture) = μD(teacher) exactly, for every ε and μ,   and   μ(D(teacher) − D(third)) against a control

if the rest comes from a third model in place of the init, and so do all labels of the control. N labels drawn from the
mixture have the standardised mean με√(Nq) = √(2N KL(mixture ‖ init)) to leading order: the sign is settled at a dose N
in proportion to 1/μ², and n teacher's rows among N count as nn/N rows without others.

Assumptions. Shared initialisation and one step. For laws of labels cross-entropy; for a share of the rows any loss with
a minimum at z = y. Labels that are themselves averages of two models' logits are no mixture: the loss is not linear in
them.

Proof. −Σ r_i log p_i is linear in r, so its step along v is Σ r_i s_i with s_i = v · ∇log p_i, and Σ p0 s = 0 as the
probabilities sum to 1. A sum over rows is linear in their number, and the init's own rows are at their minimum. The
log-derivative of the mixture is μs, so its KL has the second derivative μ²q, and the variance of one draw tends to q.

Source. Derived here; arXiv 2509.23886 mixes in clean rows. off_target has the case of squared error.
"""

from sympy import Function, Rational, Symbol, diff, exp, log, solve, sqrt, symbols

from subtheory.proof import equal, step

CLAIMS = ("teacher-rows-add-in-proportion",)
COQ = ("LabelLaws.dilution",)
SCOPE = "n = 2..4 labels as undefined functions of ε for one input by sympy; every n, ε, μ and direction in Coq"
NOT_COVERED = "second and later steps, after which the two kinds of rows no longer pull at one and the same student"

T = Symbol("t", real=True)
"""ε, or how far the student has moved along v; where an identity in functions of t is asserted, t = 0 is meant."""


def _law(n):
    """n undefined probabilities that sum to 1."""
    free = [Function(f"p{i}", real=True)(T) for i in range(n - 1)]
    return [*free, 1 - sum(free)]


def _letters(value):
    """The expression with letters for the undefined functions and for their derivatives."""
    functions = value.atoms(Function)
    for order in (2, 1, 0):
        value = value.subs({diff(p, T, order): Symbol(f"{p.func}_{order}") for p in functions})
    return value


def _mixed(mu, ones, others):
    """The share μ of the ones, the rest of the others."""
    return [other + mu * (one - other) for one, other in zip(ones, others, strict=True)]


def _alignment(labels, model):
    """The step along v on −Σ r log p: how fast the loss falls as the student moves along v."""
    moving = symbols(f"r:{len(model)}", real=True)
    fall = diff(sum(r * log(p) for r, p in zip(moving, model, strict=True)), T)
    return fall.subs(dict(zip(moving, labels, strict=True)))


@step
def law_of_labels():
    """D(μr + (1 − μ)p0) = μD(r) for every law r, as D(p0) = 0."""
    mu = Symbol("mu", real=True)
    for n in range(2, 5):
        p, r = _law(n), symbols(f"q:{n}", real=True)
        equal(_letters(_alignment(p, p)), 0)
        equal(_letters(_alignment(_mixed(mu, r, p), p)), _letters(mu * _alignment(r, p)))


@step
def against_a_control():
    """D(μr + (1 − μ)c) − D(c) = μ(D(r) − D(c)) for the laws r of the teacher and c of a third model."""
    mu = Symbol("mu", real=True)
    for n in range(2, 5):
        p, r, c = _law(n), symbols(f"q:{n}", real=True), symbols(f"c:{n}", real=True)
        added = _alignment(_mixed(mu, r, c), p) - _alignment(c, p)
        equal(_letters(added), _letters(mu * (_alignment(r, p) - _alignment(c, p))))


def _row(z, y):
    """−∂l/∂z of a row, for any loss with a minimum at z = y: by Hadamard's lemma a multiple of y − z."""
    return (y - z) * Function("h")(z, y)


@step
def rows():
    """k of N rows with labels y of the teacher's, the rest with the init's z: the mean pull is k/N of that of the k."""
    z = Symbol("z")
    for N in range(2, 5):
        for k in range(1, N):
            labels = symbols(f"y:{k}")
            pulls = [_row(z, y) for y in [*labels, *[z] * (N - k)]]
            equal(sum(pulls) / N, sum(_row(z, y) for y in labels) / k * k / N)


def _softmax(z):
    """exp(z)/Σ exp(z)."""
    return [exp(each) / sum(map(exp, z)) for each in z]


@step
def averaged_logits_are_no_mixture():
    """Logits (0, 0) and (log 9, 0): D = 2/5 along the first; half the shift gives 1/4, half of the rows 1/5."""
    student, shift, half = _softmax([T, 0]), log(9), Rational(1, 2)
    teacher, averaged = _softmax([shift, 0]), _softmax([half * shift, 0])
    mixed = _mixed(half, teacher, [half, half])
    found = [_alignment(labels, student).subs(T, 0) for labels in (teacher, averaged, mixed)]
    equal(found, [Rational(2, 5), Rational(1, 4), Rational(1, 5)])


@step
def divergence():
    """KL(μp_ε + (1 − μ)p0 ‖ p0) vanishes at ε = 0 with its slope, and has the second derivative μ²q."""
    mu = Symbol("mu", real=True)
    for n in range(2, 4):
        p, base = _law(n), symbols(f"a:{n}", real=True)
        start = dict(zip(base, p, strict=True))
        mixture = _mixed(mu, p, base)
        KL = sum(each * log(each / a) for each, a in zip(mixture, base, strict=True))
        q = sum(each * diff(log(each), T) ** 2 for each in p)
        equal([_letters(diff(KL, T, order).subs(start)) for order in range(3)], [0, 0, _letters(mu**2 * q)])


@step
def threshold():
    """The mean μεq of a draw of variance q: d = με√(Nq), reached at N = d²/(μ²ε²q); n of N rows count as n²/N."""
    mu, eps, q, N, n, d = symbols("mu epsilon q N n d", positive=True)
    standardised = mu * eps * q / sqrt(q / N)
    equal(standardised, sqrt(2 * N * (mu**2 * eps**2 * q / 2)))
    equal(solve(standardised - d, N), [d**2 / (mu**2 * eps**2 * q)])
    equal(standardised.subs(mu, n / N), eps * sqrt(n**2 / N * q))
