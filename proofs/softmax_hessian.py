"""The Hessian of softmax cross-entropy is a covariance.

Statement. Let z be n logits, p = softmax(z), and y the teacher's logits. For
l(z, y) = −Σ softmax(y)_i log softmax(z)_i,

    ∂l/∂z = softmax(z) − softmax(y),     ∂²l/∂z² = diag(p) − ppᵀ,

whatever y is, and for every direction u the form uᵀ(diag(p) − ppᵀ)u is the variance of u_I, with I drawn from p.

Assumptions. None: every logit is finite.

Proof. log softmax(z)_i = z_i − logsumexp(z), and the labels p_T = softmax(y) sum to 1, so that
l = logsumexp(z) − ⟨p_T, z⟩, in which y occurs in the labels only. Differentiate once and twice; p_T is constant
in z, and is gone the second time. The form is Σ p_i u_i² − ū² = Σ p_i (u_i − ū)² with ū = Σ p_i u_i, because
Σ p_i = 1.

Source. arXiv 2507.14805, App. C, where M is this matrix.
"""

from sympy import Matrix, diag, exp, hessian, log, symbols

from subtheory.proof import equal, step

CLAIMS = ()
SUPPORTS = ("psd_and_null_space", "gauss_newton_form", "ce_bound")
COQ = (
    "Losses.softmax_has_grad",
    "Losses.ce_compatible",
)
SCOPE = "n = 1..6 by sympy, every n in Coq"
NOT_COVERED = "logits that are infinite, as a hard mask makes them"


def _softmax(z):
    return Matrix([exp(each) / sum(map(exp, z)) for each in z])


def _loss(z, labels):
    return log(sum(map(exp, z))) - labels.dot(z)


def _logits(n):
    return Matrix(symbols(f"z:{n}", real=True))


def _law(n):
    """n weights that sum to 1."""
    rest = symbols(f"p_T1:{n}", real=True)
    return Matrix([1 - sum(rest), *rest])


@step
def normalised():
    """Σ softmax(y)_i = 1."""
    for n in range(1, 7):
        equal(sum(_softmax(_logits(n))), 1)


@step
def loss():
    """−Σ p_T,i log softmax(z)_i = logsumexp(z) − ⟨p_T, z⟩ for labels p_T that sum to 1."""
    for n in range(1, 7):
        z, labels = _logits(n), _law(n)
        equal(-labels.dot(_softmax(z).applyfunc(log)), _loss(z, labels))


@step
def gradient():
    """∂l/∂z = softmax(z) − p_T."""
    for n in range(1, 7):
        z, labels = _logits(n), _law(n)
        equal(Matrix([_loss(z, labels)]).jacobian(z).T, _softmax(z) - labels)


@step
def second_derivative():
    """∂²l/∂z² = diag(p) − ppᵀ, and the labels have dropped out."""
    for n in range(1, 7):
        z = _logits(n)
        p = _softmax(z)
        equal(hessian(_loss(z, _law(n)), list(z)), diag(*p) - p * p.T)


@step
def variance():
    """uᵀ(diag(p) − ppᵀ)u = Σ p_i (u_i − ū)² + (1 − Σ p_i) ū² with ū = Σ p_i u_i; the last term is 0."""
    for n in range(1, 7):
        u, p = _logits(n), Matrix(symbols(f"p:{n}", real=True))
        mean = p.dot(u)
        spread = sum(w * (each - mean) ** 2 for w, each in zip(p, u, strict=True))
        equal((u.T * (diag(*p) - p * p.T) * u)[0], spread + (1 - sum(p)) * mean**2)
