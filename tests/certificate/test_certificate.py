"""Certificates against 50-digit arithmetic: every ball contains the number, every claim of a sign is true."""

import copy
import os
from dataclasses import replace

import jax
import mpmath as mp
import numpy as np
import precise
import pytest
from flint import arb, fmpq
from shapes import SINGLE

import subtheory as st
from subtheory.certificate import curves, document, functions, jets, networks, thresholds
from subtheory.certificate.balls import BITS, lower, positive, precision, rational, upper
from subtheory.certificate.cases import CASES, CertifiedCase
from subtheory.certificate.jets import Jet, Span
from subtheory.certificate.networks import softmax
from subtheory.certificate.problem import problem
from subtheory.certificate.search import cover, enclosure
from subtheory.data.toys import toy
from subtheory.numerics import float64
from subtheory.theory.distillation import outputs, teacher
from subtheory.theory.linearize import derivatives
from subtheory.theory.rule import Signs
from subtheory.theory.view import Accepted

MULTIPLIER = int(os.environ.get("SUBTHEORY_TEST_MULTIPLIER", "1"))
LOSSES = [st.SquaredError(), st.CrossEntropy()]
BOTH = ("alignment", "trait-loss")


@pytest.fixture(autouse=True)
def bits():
    with precision(BITS):
        yield


@pytest.fixture(scope="module")
def certificate():
    """The smallest network under squared error, which has a root of each kind."""
    return st.certify(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), {"alignment": 60, "trait-loss": 20}, kinds=BOTH)


def contains(ball, number):
    """A ball that contains a 50-digit number, up to the digits that the number has."""
    return ball.overlaps(arb(mp.nstr(number, 45), "1e-40"))


def tiny(activation, seed, rng):
    """A random one-hidden-layer network of a few units."""
    classes, aux = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    network = st.MLP(int(rng.integers(1, 4)), 1, activation, task=toy((int(rng.integers(1, 3)),), classes, aux))
    return CertifiedCase(network, 1.0, 3, 3).distillation(seed, LOSSES[seed % 2])


# Balls and jets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [arb("nan"), arb("inf"), arb(1) / arb(0, 1), arb(-1).sqrt()])
def test_what_is_not_finite_is_no_bound(bad):
    assert not positive(bad) and not positive(-bad)
    assert lower(bad) == -np.inf and upper(bad) == np.inf


@pytest.mark.parametrize("text", ["1e-300", "0.1", "-7.25", "3e200"])
def test_a_float_is_not_beyond_its_ball(text):
    ball = arb(text, arb(text).abs_upper() * arb("1e-20"))
    assert arb(lower(ball)) <= ball.lower() and arb(upper(ball)) >= ball.upper()


TABLES = functions.ACTIVATIONS | {"exp": functions.exp, "log": functions.log, "reciprocal": functions.reciprocal,
                                  "rsqrt": functions.rsqrt}  # fmt: skip
EXACT = {name: value for name, (value, _) in precise.ACTIVATIONS.items()} | {
    "exp": mp.exp, "log": mp.log, "reciprocal": lambda z: 1 / z, "rsqrt": lambda z: 1 / mp.sqrt(z),
    "gelu": lambda z: z * (1 + mp.tanh(mp.mpf(functions.GELU_SCALE) * (z + mp.mpf(functions.GELU_CUBIC) * z**3))) / 2,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_are_the_taylor_coefficients(name):
    low = 0.3 if name in ("log", "reciprocal", "rsqrt") else -2.5
    for z in np.linspace(low, 2.5, 7):
        wide = TABLES[name](arb(float(z), 0.05), 3)
        thin = TABLES[name](arb(float(z)), 3)
        for k, exact in enumerate(mp.taylor(EXACT[name], mp.mpf(float(z)), 3)):
            assert contains(wide[k], exact)
            assert abs(mp.mpf(thin[k].mid().str(40, radius=False)) - exact) < mp.mpf(10) ** -20
            assert thin[k].rad() < 1e-30


def test_a_saturated_softmax_stays_finite():
    z = Jet([arb_row([[1e4, 100.0], [-1e4, 3.0]], 50.0), arb_row([[3.0, 1.0], [2.0, 1.0]], 1.0)])
    sigma = softmax(z)
    assert all(entry.is_finite() for c in sigma.c for entry in c.entries())
    assert lower(sigma.c[0][0, 0]) > 1 - 1e-9 and upper(sigma.c[0][1, 0]) < 1e-9


def arb_row(values, radius):
    from flint import arb_mat

    return arb_mat(2, 2, [arb(v, radius) for row in values for v in row])


def test_enclosures_shrink_like_the_square_of_the_width():
    curve = curves.alignment(problem(CASES["tanh-2-4-2"].distillation(1, LOSSES[0])))
    excess = []
    for width in (fmpq(1, 8), fmpq(1, 16), fmpq(1, 32)):
        span = Span.between(fmpq(1, 2) - width, fmpq(1, 2) + width)
        inside = [curve(Span(span.mid + k * width / 50), 0).c[0][0, 0] for k in range(-50, 51)]
        jet = curve(span, 2).c[0][0, 0]
        assert all(jet.contains(one) for one in inside)
        excess.append(min(map(lower, inside)) - lower(jet))
    assert excess[0] / excess[1] > 3 and excess[1] / excess[2] > 3


# Containment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", sorted(precise.ACTIVATIONS))
def test_boxes_contain_50_digit_numbers(activation):
    rng = np.random.default_rng(7)
    for seed in range(20 * MULTIPLIER):
        d = tiny(activation, seed, rng)
        exact = problem(d, alpha=0.5)
        kinds = [(curves.alignment(exact), lambda t, d=d: precise.alignment(d, t))]
        if seed % 4 == 0:
            kinds.append((curves.trait_change(exact), lambda t, d=d: precise.trait_change(d, t, 0.5)))
        for curve, oracle in kinds:
            a, width = rational(float(rng.uniform(0, 2))), rational(float(rng.choice([0.02, 0.2, 1.0])))
            box = curve(Span.between(a, a + width), 2)
            t = a + width * rational(float(rng.uniform()))
            number = oracle(mp.mpf(int(t.p)) / int(t.q))
            assert contains(box.c[0][0, 0], number)
            assert contains(curve(Span(t), 0).c[0][0, 0], number)
            if a > 0:
                assert contains(enclosure(curve, a, a + width), number)
            start = enclosure(curve, fmpq(0), t)
            assert contains(start, number / (mp.mpf(int(t.p)) / int(t.q)))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("name", CASES)
def test_balls_agree_with_jax(name, loss):
    d = replace(CASES[name].distillation(3, loss), eps=np.array([0.75, 0.25]))
    exact = problem(d)
    measured = st.alignment_by_jvp(d)
    for eps, value in zip(d.eps, measured, strict=True):
        ball = curves.alignment(exact)(Span(rational(float(eps))), 0).c[0][0, 0]
        assert float(ball.mid()) == pytest.approx(value, rel=1e-11, abs=1e-13)
    if name.startswith("tanh"):
        for eps, value in zip(d.eps, st.trait_change(d, 1.0), strict=True):
            ball = curves.trait_change(exact)(Span(rational(float(eps))), 0).c[0][0, 0]
            assert float(ball.mid()) == pytest.approx(value, rel=1e-10, abs=1e-13)
        assert upper(curves.teacher_error(exact)) < 1e-14


# Tightness -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tanh-2-4-2", "tanh-5-12-4"])
def test_second_derivatives_are_enclosed_tightly(name):
    d = CASES[name].distillation(2, LOSSES[0])
    pupil = curves.Pupil(problem(d))

    @jax.jit
    @jax.vmap
    def acceleration(t):
        return derivatives(lambda s: outputs(d.network, teacher(d, s), d.x), t).v

    for upto, excess in ((0.5, 0.05), (1.0, 0.10), (2.0, 0.20)):
        bound = np.array(thresholds.second_derivatives(pupil, rational(upto), 64))
        with float64():
            sampled = np.asarray(acceleration(np.linspace(0, upto, 2001)))
        most = np.sqrt(np.sum(d.outputs * sampled**2, axis=-1)).max(axis=0)
        assert np.all(bound >= most * (1 - 1e-12))
        assert np.all(bound <= most * (1 + excess))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_search_ends_at_the_first_root(seed, loss):
    d = CASES["tanh-2-4-2"].distillation(seed, loss)
    exact = problem(d)
    for curve, sign, limit, oracle in (
        (curves.alignment(exact), 1, 60, precise.alignment),
        (curves.trait_change(exact), -1, 20, precise.trait_change),
    ):
        found = cover(curve, fmpq(limit), sign)
        upto = float(found.upto.p) / float(found.upto.q)
        for t in upto * np.linspace(0.01, 1, 12):
            assert sign * oracle(d, t) > 0
        if upto < limit:
            wrong = float(found.wrong.p) / float(found.wrong.q)
            assert sign * oracle(d, wrong) < 0 and upto > 0.99 * wrong


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_the_explicit_bound_is_below_the_certificate_and_near_its_estimate(loss):
    for seed in range(3):
        d = CASES["tanh-2-4-2"].distillation(seed, loss)
        bound = thresholds.alignment_threshold(problem(d), fmpq(60))
        estimate = st.alignment_threshold(d, 60.0)
        assert 0 < bound.eps <= estimate.eps * (1 + 1e-9) + 1e-12
        assert bound.eps > 0.9 * estimate.eps
        assert bound.q == pytest.approx(st.quadratic_form(d), rel=1e-10)
        assert bound.eps <= st.certify(d, 60.0).upto()


def test_a_sine_is_certified_just_below_its_root_and_not_above():
    from subtheory.constructed.thresholds import beyond

    d = beyond()[0].distillation()
    root = np.pi / 3
    assert st.certify(d, 0.999 * root).found["alignment"].complete
    above = st.certify(d, 1.01 * root)
    assert not above.found["alignment"].complete
    assert 0.999 * root < above.upto() < root < above.found["alignment"].wrong


# Files ---------------------------------------------------------------------------------------------


def numbers(value, path=()):
    """Every number of a document with a changed one."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from numbers(item, (*path, name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, (*path, i))
    elif isinstance(value, int):
        yield path, value + 1
    elif isinstance(value, str) and value[-1:].isdigit() and path[0] in ("problem", "statements", "sum"):
        digits, separator, rest = value.partition("/")
        if separator or "." not in value:
            yield path, f"{digits[:-1]}{(int(digits[-1]) + 1) % 10}{separator}{rest}"
        else:
            mantissa, mark, power = value.partition("E")
            yield path, f"{mantissa[:-1]}{(int(mantissa[-1]) + 1) % 10}{mark}{power}"


def altered(body, path, value):
    changed = copy.deepcopy(body)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


def refused(body):
    try:
        st.check_certificate(body)
    except st.DataError:
        return True
    return False


def rehashed(body, summed=False):
    if summed:
        body["sum"] = str(document.total({name: body[name] for name in ("problem", "statements")}))
    return body | {"sha256": document.digest(body)}


def test_a_certificate_is_accepted_and_every_changed_number_is_refused(certificate):
    body = certificate.document
    assert [one.kind for one in st.check_certificate(body)] == list(BOTH)
    changes = list(numbers(body))
    assert len(changes) > 150
    for path, value in changes:
        assert refused(rehashed(altered(body, path, value))), path


def test_no_hash_and_no_sum_is_needed_where_a_statement_depends_on_the_number(certificate):
    body = certificate.document
    free = set()
    for path, value in numbers(body):
        if path != ("sum",) and not refused(rehashed(altered(body, path, value), summed=True)):
            free.add(path)
    # Squared error does not see the bias of a distilled output; targets of other outputs are not trained on.
    allowed = {("problem", "theta0", "head/bias", 0, 1)}
    assert {path for path in free if path[:3] != ("problem", "trait", "targets")} <= allowed
    assert all(path[-1] == 1 for path in free)


def test_what_does_not_cover_is_refused(certificate):
    body = certificate.document
    for change in (
        lambda s: s["ends"].pop(0),
        lambda s: [s[name].pop(3) for name in ("ends", "values", "bounds")],
        lambda s: [s[name].clear() for name in ("ends", "values", "bounds")],
        lambda s: s["ends"].reverse(),
        lambda s: s.update(kind="trait-loss"),
    ):
        changed = copy.deepcopy(body)
        change(changed["statements"][0])
        assert refused(rehashed(changed, summed=True))
    longer = copy.deepcopy(body)
    longer["statements"][0]["ends"][-1] = "2"
    assert refused(rehashed(longer, summed=True))
    assert refused(rehashed(body | {"statements": []}, summed=True))


def test_a_certificate_is_for_one_network(certificate):
    other = altered(certificate.document, ("problem", "network", "activation"), "sigmoid")
    assert refused(rehashed(other))
    assert st.check_certificate(certificate.document, CASES["tanh-2-4-2"].distillation(1, LOSSES[0]))
    for d in (
        CASES["tanh-2-4-2"].distillation(2, LOSSES[0]),
        CASES["sigmoid-2-4-2"].distillation(1, LOSSES[0]),
        CASES["tanh-2-4-2"].distillation(1, LOSSES[1]),
    ):
        with pytest.raises(st.DataError, match="another network or other numbers"):
            st.check_certificate(certificate.document, d)


def test_files_are_read_back_or_refused_in_one_line(certificate, tmp_path):
    path = certificate.save(tmp_path / "one.json")
    assert st.check_certificate(path)[0].upto == certificate.upto()
    for damage in (b"", b"{}", b"[]", path.read_bytes()[:-40], path.read_bytes().replace(b"tanh", b"tahn")):
        (tmp_path / "bad.json").write_bytes(damage)
        with pytest.raises(st.DataError) as raised:
            st.check_certificate(tmp_path / "bad.json")
        assert "\n" not in str(raised.value)
    with pytest.raises(st.DataError, match="no such file"):
        st.check_certificate(tmp_path / "none.json")
    malformed = rehashed({"format": document.FORMAT, "problem": {}, "statements": [], "sum": "0"})
    with pytest.raises(st.DataError, match="malformed"):
        st.check_certificate(malformed)


# What cannot be certified --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field, change",
    [
        ("network", {"network": replace(SINGLE, activation="relu")}),
        ("network", {"network": st.VisionTransformer()}),
        ("loss", {"loss": st.KL()}),
        ("student", {"rule": Signs()}),
        ("student", {"view": Accepted()}),
        ("alpha", {}),
        ("upto", {}),
        ("x", {"x": np.full((5, 2), np.nan)}),
    ],
)
def test_what_cannot_be_certified_is_named(field, change):
    d = replace(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), **change)
    alpha, upto = (np.inf if field == "alpha" else 1.0), (-1.0 if field == "upto" else 1.0)
    with pytest.raises(st.InputError) as raised:
        st.certify(d, upto, alpha=alpha)
    assert raised.value.field == field


def test_trait_statements_are_for_mlps_with_data():
    with pytest.raises(st.InputError, match="MLP"):
        st.certify(CASES["convnet"].distillation(1, LOSSES[0]), 1.0, kinds=("trait-loss",))
    d = replace(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), trait=st.FunctionTrait(lambda theta: 0.0))
    with pytest.raises(st.InputError, match="trait"):
        st.certify(d, 1.0, kinds=("trait-loss",))


def test_a_second_spelling_that_differs_is_refused():
    class Twice(st.MLP):
        def apply(self, params, x):
            return 2 * SINGLE.apply(params, x)

    d = replace(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), network=Twice(4, 1, task=SINGLE.task))
    with pytest.raises(st.InputError, match="form on balls"):
        st.certify(d, 1.0)


def test_toy_tasks_draw_what_they_say():
    with float64():
        x, y, weights = toy((3,), 2, 1).labelled(jax.random.key(0), 50)
        tokens, labels, _ = toy((4,), 2, 3, tokens=5).labelled(jax.random.key(0), 50)
    assert x.shape == (50, 3) and set(np.asarray(y)) == {0, 1} and weights.tolist() == [1, 1, 0]
    assert tokens.shape == (50, 4) and set(np.asarray(tokens).ravel()) == set(range(5))
    assert set(np.asarray(labels)) == {0, 1} and toy((3,), 2, 1) is toy((3,), 2, 1)


# Planted errors ------------------------------------------------------------------------------------


def sound():
    """No number outside its ball, on a few boxes of two tanh networks, and D where JAX has it."""
    for loss in LOSSES:
        d = replace(CASES["tanh-2-4-2"].distillation(5, loss), eps=np.array([0.5]))
        curve = curves.alignment(problem(d))
        (measured,) = st.alignment_by_jvp(d)
        if float(curve(Span(fmpq(1, 2)), 0).c[0][0, 0].mid()) != pytest.approx(measured, rel=1e-11):
            return False
        point = curve(Span(fmpq(1, 2)), 2)
        for k, exact in enumerate(mp.taylor(lambda t, d=d: precise.alignment(d, t), mp.mpf(1) / 2, 2)):
            if abs(mp.mpf(point.c[k][0, 0].mid().str(40, radius=False)) - exact) > mp.mpf(10) ** -20:
                return False
        for mid, radius in ((fmpq(1, 2), fmpq(1, 2)), (fmpq(1), fmpq(1, 10))):
            span = Span(mid, radius)
            box = curve(span, 2)
            for k in range(-4, 5):
                number = precise.alignment(d, mp.mpf(int((mid + k * radius / 4).p)) / int((mid + k * radius / 4).q))
                if not contains(box.c[0][0, 0], number):
                    return False
            inside = [curve(Span(mid + k * radius / 4), 2) for k in range(-4, 5)]
            if not all(box.c[k].contains(one.c[k]) for one in inside for k in (0, 1, 2)):
                return False
    return True


def _flipped(z, order):
    t, s = z.tanh(), z.sech() * z.sech()
    return [t, s, t * s, s * (2 - 3 * s) / 3][: order + 1]


def _no_cross_term(self, a):
    steps = [c * self.slope for c in a.c]
    return Jet([c * self.base + step * self.t for c, step in zip(a.c, steps, strict=True)])


ARITHMETIC = {
    "second derivative of tanh with the other sign": (functions.ACTIVATIONS, "tanh", _flipped),
    "half of the residual": (curves.Pupil, "residual", lambda self, span, order, of=curves.Pupil.residual:
                             of(self, span, order) * arb(0.5)),
    "Taylor's theorem without its remainder": (Span, "off", lambda self, k, of=Span.off:
                                               of(self, k) if k < 2 else arb(0)),
    "boxes of half their width": (Span, "ball", property(lambda self: arb(self.mid, arb(self.radius / 2)))),
    "the product rule without one term": (networks.Segment, "after", _no_cross_term),
    "the chain rule without z′²": (jets, "composed", lambda f, z, of=jets.composed:
                                   [*of(f, z)[:2], *(f[1] * c for c in z[2:])]),
    "exp without its derivative": (functions, "exp", lambda z, order: [z.exp()] * (order + 1)),
}  # fmt: skip


def test_the_arithmetic_is_sound_as_it_is():
    assert sound()


@pytest.mark.parametrize("name", ARITHMETIC)
def test_planted_errors_in_the_arithmetic_are_noticed(name, monkeypatch):
    owner, field, planted = ARITHMETIC[name]
    if isinstance(owner, dict):
        monkeypatch.setitem(owner, field, planted)
    else:
        monkeypatch.setattr(owner, field, planted)
        if field == "exp":
            monkeypatch.setattr(networks, "exp", planted)
    assert not sound()
