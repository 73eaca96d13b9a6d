"""On the kink of a ReLU the student can be turned away from its teacher, for every size of the teacher's step.

Statement. f = W2·relu(W1 x + b1) + b2 with W1 = (1, 1), b1 = 0, W2 = (1, −1), b2 = 0 and the input x = 0; the teacher
moves b1 by ε(0, 3) and b2 by ε. With relu′(0) = 0 and squared error, D(ε) = −4ε for every ε > 0. A softplus in place
of the ReLU gives D = ½ε + O(ε²), and b1 = (0.3, −0.4) gives D = 2ε for ε ≤ 2/15: the sign is repaired.

Assumptions. The student differentiates by the convention relu′(0) = s, here s = 0; only there is it no derivative.

Proof. The convention says u = 1 − 3s, while along the segment f moves by −2ε: unit 2 wakes up and counts −3ε. So
D = 2(−2ε)(1 − 3s): −4ε for s = 0, and 8ε = ε · 2u² for s = 1, the right derivative, for which u = −2 is true. With a
softplus u = 1 − 3/2 is the derivative, and D′(0) = 2u² = ½. With biases off zero unit 2 sleeps until
ε = 0.4/3, and there f moves by ε with u = 1.

Source. Counterexample to Lemma 1 of arXiv 2507.14805, App. C, without differentiability. With half of the squared error
each D is half of this; the Coq theorem is on the smallest example, f = relu(θ) − θ/2 at 0.
"""

from sympy import Heaviside, Matrix, Max, Rational, Symbol, diff, exp, log, symbols

from subtheory.proof import equal, negative, step

CLAIMS = ("kink-reverses-alignment",)
COQ = ("Counterexamples.kink_breaks_alignment",)
SCOPE = "this network and this input, exact"
NOT_COVERED = (
    "how often an input sits on a kink: hardly ever if it is generic, always if it is blank and biases are zero"
)

EPS, B = Symbol("eps", positive=True), Symbol("b", real=True)
W1, W2, X = Matrix([1, 1]), Matrix([1, -1]), 0
ZERO, DELTA_B1, DELTA_B2 = Matrix([0, 0]), Matrix([0, 3]), 1


def _outputs(activation, b1, b2):
    return W2.dot((W1 * X + b1).applyfunc(lambda b: activation.subs(B, b))) + b2


def _alignment(activation, slope, b1):
    """Outputs along the segment, u = JΔ by the slope that the student takes, and D = 2(y − z)u."""
    z, y = symbols("z y")
    start, moved = _outputs(activation, b1, 0), _outputs(activation, b1 + EPS * DELTA_B1, EPS * DELTA_B2)
    u = sum(W2[i] * slope.subs(B, b1[i]) * DELTA_B1[i] for i in range(2)) + DELTA_B2
    D = -diff((z - y) ** 2, z) * u
    return moved - start, u, D.subs({z: start, y: moved})


@step
def student_on_the_kink():
    """With relu′(0) = s: the outputs move by −2ε, u = 1 − 3s, D = −4ε(1 − 3s); for s = 0, D = −4ε < 0."""
    s = symbols("s")
    moved, u, D = _alignment(Max(0, B), Heaviside(B, s), ZERO)
    equal([moved, u, D], [-2 * EPS, 1 - 3 * s, -4 * EPS * (1 - 3 * s)])
    negative(D.subs(s, 0))


@step
def right_derivative():
    """relu′(0) = 1 is the derivative along this segment: D = ε · 2u² = 8ε, u = −2."""
    moved, u, D = _alignment(Max(0, B), Heaviside(B, 1), ZERO)
    equal([moved, u, D], [EPS * u, -2, EPS * 2 * u**2])


@step
def softplus():
    """log(1 + eᵇ) with its own derivative: D(0) = 0, D′(0) = 2u² = 1/2, u = −1/2."""
    activation = log(1 + exp(B))
    _, u, D = _alignment(activation, diff(activation, B), ZERO)
    equal([u, D.subs(EPS, 0), diff(D, EPS).subs(EPS, 0)], [-Rational(1, 2), 0, Rational(1, 2)])


@step
def biases_off_zero():
    """b1 = (3/10, −4/10): u = 1, D = 2ε up to ε = 2/15, where unit 2 wakes up, and 2(ε − 3(ε − 2/15)) beyond."""
    past = symbols("past", positive=True)
    moved, u, D = _alignment(Max(0, B), Heaviside(B), Matrix([Rational(3, 10), -Rational(4, 10)]))
    equal(u, 1)
    wakes = Rational(2, 15)
    for eps, expected in ((wakes - past, wakes - past), (wakes + past, wakes - 2 * past)):
        equal([moved.subs(EPS, eps), D.subs(EPS, eps)], [expected, 2 * expected])
