"""The search: finds what is false, spares what is true, and its files run again from their numbers alone."""

import json
import random
from dataclasses import dataclass, replace
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, settings

from subtheory.cases import strategies
from subtheory.cases.case import numbers, read_by, sensitivity
from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.claims.over_readings import DeadZones
from subtheory.errors import DataError, InputError
from subtheory.falsification import counterexample
from subtheory.falsification import search as falsification
from subtheory.falsification.search import domain, judge, refutes, search
from subtheory.instruments.first_order import FirstOrder
from subtheory.instruments.two_inits import TwoInits
from subtheory.setting.spread import along_every_path
from subtheory.setting.student import Redrawn
from subtheory.theory.losses import SquaredError, namespace
from subtheory.theory.rule import Rule
from subtheory.theory.views import Accepted, View


def one_loss(shape, change=lambda setting: setting):
    """Cases of one shape under squared error."""
    several = [change(s) for s in strategies.combinations([shape], [SquaredError()], ["random"], ["aux"])]
    return [strategies.chosen(several).flatmap(strategies.cases)]


def typical(drawn, number=0):
    """A case with few zeros in it."""
    once = settings(deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    full = lambda c: np.all(np.count_nonzero(c.theta0) > 20) and np.all(c.x) and np.all(c.distillation().eps > 0)  # noqa: E731
    return find(drawn, full, random=random.Random(number), settings=once)


@pytest.mark.parametrize("name", OVER_READINGS)
def test_an_over_reading_is_refuted_from_nothing(name, tmp_path):
    """Each by the first of its strategies, and again from its file; the budget is for the slowest machine."""
    over = OVER_READINGS[name]
    found = search(over, 240, drawn=domain(over)[:1])
    assert found.found is not None and found.evidence is not None
    stated = counterexample.state(over, found.found, found.evidence, None, strategies.SHAPES)
    again = counterexample.read(counterexample.write(tmp_path / "c.json", stated))
    assert again == json.loads(json.dumps(stated))
    evidence, still = counterexample.replay(over, again, strategies.SHAPES)
    assert still and evidence is not None and evidence.margin == pytest.approx(found.evidence.margin, rel=1e-6)


def cosine_below(bound):
    """A planted claim: the two updates are never this parallel."""

    @claim(formula=f"cos < {bound}", source="a plant")
    def never_parallel(m):
        """The two updates are never nearly parallel."""
        cosine = float(np.max(m.alignment / (m.update_norm * m.delta_norm)))
        return Evidence(cosine, bound, bound - cosine)

    return never_parallel


def test_ascent_goes_further_than_what_was_drawn():
    """From one drawn case, the gradient of the margin by finite differences and one pullback."""
    drawn = find(one_loss("tanh-3")[0], lambda c: judge(cosine_below(1), c) is not None, random=random.Random(0))
    start = judge(cosine_below(1), drawn)
    run = falsification._Run(falsification.Search(cosine_below(1), None), 60, None)
    run.state.worst[0] = [(start.margin, 0, drawn)]
    run.ascend(0)
    assert run.state.margin < 0.2 * start.margin


def test_ascent_goes_further_on_two_inits_too():
    """The instrument's own algebra is what is differentiated, whatever it records."""

    @claim(formula="added < 1", source="a plant", reads=TwoInits())
    def little_is_added(c):
        """What a teacher adds is small."""
        share = float(np.max(c.added / (c.eps * c.scale)))
        return Evidence(share, 2.0, 2.0 - share)

    drawn = typical(one_loss("tanh-3", lambda s: s.but(init=Redrawn()))[0])
    start = judge(little_is_added, drawn)
    run = falsification._Run(falsification.Search(little_is_added, None), 60, None)
    run.state.worst[0] = [(start.margin, 0, drawn)]
    run.ascend(0)
    assert drawn.free == ("theta0", "drawn", "offset", "x") and run.state.margin < start.margin - 0.1


@pytest.mark.parametrize(("instrument", "init"), [(FirstOrder(), {}), (TwoInits(), {"init": Redrawn()})])
def test_a_pullback_is_the_derivative_of_what_is_recorded(instrument, init):
    """One definition of all that is recorded: NumPy's record by finite differences, JAX's by one pullback."""
    case = typical(one_loss("tanh-3", lambda s: s.but(**init))[0])
    eps, rng = case.distillation().eps, np.random.default_rng(0)
    recorded = {
        name: value
        for name, value in numbers(case.measure(instrument)).items()
        if name not in ("eps", "blur") and not name.endswith("rounding")
    }
    # Rounding is a constant to a search. Everything else is asked of at once, in units of its own size.
    weights = jax.tree.map(lambda v: rng.standard_normal(np.shape(v)) / (np.abs(v).max() + 1e-300), recorded)
    found = case.gradient(weights, instrument)
    assert set(found) == set(case.free)

    def score(name, by):
        moved = replace(case, **{name: getattr(case, name) + by}).distillation()
        record = numbers(instrument.of(replace(moved, eps=eps)))
        return sum(np.sum(w * record[n][m] if m else w * record[n]) for n, m, w in flat(weights))

    def flat(weights):
        for name, value in weights.items():
            yield from ((name, m, w) for m, w in value.items()) if isinstance(value, dict) else [(name, None, value)]

    for name, slope in found.items():
        way = rng.standard_normal(slope.shape)
        by = 1e-5 * way
        predicted = np.sum(way * slope)
        assert (score(name, by) - score(name, -by)) / 2e-5 == pytest.approx(predicted, rel=2e-3, abs=1e-4), name


def test_what_a_check_reads_is_all_that_is_differentiated():
    case = typical(one_loss("tanh-3")[0])
    m, check = case.measure(), cosine_below(1).check_measurement
    assert set(read_by(check, m)) == {"alignment", "update_norm", "delta_norm"}
    slopes = sensitivity(check, m)
    assert set(slopes) == {"alignment", "update_norm", "delta_norm"} and slopes["alignment"].shape == m.eps.shape
    worst = np.argmax(m.alignment / m.update_norm)
    assert slopes["alignment"][worst] == pytest.approx(-1 / (m.update_norm[worst] * m.delta_norm), rel=1e-4)


def test_a_search_is_deterministic():
    first, second = (search(cosine_below(0.4), 120, drawn=one_loss("tanh-3")) for _ in range(2))
    assert first.found is not None and first.evidence.margin < 0
    assert second.after == first.after  # how far it is made simpler depends on the clock


def test_what_is_true_is_spared():
    true = CLAIMS["alignment-is-ggn-form"]
    found = search(true, 4, drawn=one_loss("tanh-3"))
    assert found.found is None and found.cases > 0 and 0 <= found.margin <= 1
    assert found.sentence.startswith(f"nothing found: {found.cases} cases tried in ")


def test_one_ladder_alone_refutes_nothing():
    """sin(kθ) fails where ε is not small, and holds on a finer ladder: no counterexample, but for small-eps."""
    positive = CLAIMS["alignment-is-positive"]
    (control,) = [c for c in positive.controls if c.assumption.name == "small-eps"]
    d = control.witnesses()[0].distillation(0)
    assert falsification.fails(judge(positive, d))
    assert not refutes(positive, d)
    assert refutes(positive, d, without="small-eps")


def test_a_claim_is_spread_out_as_far_as_a_case_can_follow():
    """Layer by layer in a search too; by paths alone only for two inits, of which any will do."""
    found = find(domain(CLAIMS["matched-restriction-aligns"], shapes=["tanh-3"])[0], lambda c: True)
    assert np.array_equal(found.trains, found.moves) and 0 < found.trains.sum() < found.trains.size
    two = find(domain(CLAIMS["layers-add-up-to-the-alignment"], shapes=["tanh-3"])[0], lambda c: c.offset.any())
    assert not two.shared and not two.factor.any()
    walked = replace(CLAIMS["layers-add-up-to-the-alignment"], reads=FirstOrder(), spread=along_every_path)
    with pytest.raises(InputError, match="paths alone"):
        find(domain(walked, shapes=["linear"])[0], lambda c: True)


def test_numbers_that_are_not_finite_refute_nothing():
    d = CLAIMS["kink-reverses-alignment"].settings()[0].distillation(0)
    broken = replace(d, x=np.full_like(d.x, np.nan))
    assert judge(CLAIMS["kink-reverses-alignment"], broken) is None


# Parts of one's own --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Backwards(Rule):
    """Δθ_S = +c ∇L_S."""

    times: float = 0.5
    name = "backwards"
    linear = True

    def update(self, descend, theta, metric=None):
        return -self.times * descend(theta)


@dataclass(frozen=True)
class Mirrored(View):
    """y = −f, times numbers of its own."""

    by: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    name = "mirrored"

    def labels(self, logits, w):
        return -logits * namespace(logits).asarray(self.by)


OWN = {
    "rule": Assumption("forwards", "The student descends.", lambda s: s.but(rule=Backwards())),
    "view": Assumption("as-they-are", "The student sees what is there.", lambda s: s.but(view=Mirrored())),
}


@pytest.mark.parametrize("part", OWN)
def test_a_part_of_ones_own_is_known_everywhere(part, tmp_path):
    """One class, here: falsify breaks the assumption with it, strategies draw it, a file states it and has it back."""
    own, kind = {"rule": Backwards(), "view": Mirrored()}[part], {"rule": "backwards", "view": "mirrored"}[part]

    @claim(formula="D ≥ 0", source="a plant", controls=[Control(OWN[part], fails=0.9)],
           applies=lambda s: s.loss == SquaredError() and s.teacher.name == "random")  # fmt: skip
    def aligned(m):
        """The student moves towards its teacher."""
        cosine = float(np.min(m.alignment / (m.update_norm * m.delta_norm)))
        return Evidence(cosine, 0.0, cosine + 1e-6)

    without = OWN[part].name
    found = search(aligned, 60, without=without, drawn=domain(aligned, without, ["tanh-3"]))
    assert found.found is not None and getattr(found.found, part) == own
    drawn = strategies.distillations(["tanh-3"], ["squared-error"], ["random"], without=OWN[part])
    assert getattr(find(drawn, lambda d: True, random=random.Random(0)), part) == own

    told = counterexample.state(aligned, found.found, found.evidence, without, strategies.SHAPES)
    assert told["case"][part]["kind"] == kind
    again = counterexample.read(counterexample.write(tmp_path / "c.json", told))
    evidence, still = counterexample.replay(aligned, again, strategies.SHAPES)
    assert still and evidence.margin == found.evidence.margin


@pytest.fixture(scope="module")
def signs():
    """An over-reading and a case of it."""
    over = OVER_READINGS["sign-steps-align"]
    return over, typical(domain(over)[1])


def spoilt(told, part, value):
    return {**told, "case": {**told["case"], part: value}}


BAD_PARTS = [
    ("view", {"kind": "no-such-view"}, "no-such-view"),
    ("rule", {"kind": "full"}, "full"),
    ("view", {"kind": "accepted", "log_rate": "x"}, "does not fit"),
    ("view", {"kind": "accepted", "rate": 1.0}, "rate"),
    ("view", {"kind": "accepted", "log_rate": float("nan")}, "numbers and words"),
    ("view", {"kind": "mirrored", "by": [[1.0], [1.0]]}, "numbers and words"),
    ("view", {"kind": "mirrored", "by": [1.0, 2.0, 3.0]}, "does not fit"),
    ("view", {"log_rate": 1.0}, "kind"),
    ("rule", "descent", "numbers and words"),
    ("rule", None, "numbers and words"),
    ("kind", "sketched", "sketched"),
    ("network", "tanh-4", "tanh-3"),
    ("loss", "l3", "l3"),
    ("arrays", {}, "arrays"),
]


@pytest.mark.parametrize(("part", "value", "said"), BAD_PARTS, ids=lambda v: str(v)[:30])
def test_a_part_that_no_file_may_state_is_one_line(part, value, said, signs):
    over, case = signs
    told = counterexample.state(over, case, Evidence(0.0, 0.0, 1.0), None, strategies.SHAPES)
    assert told["case"]["rule"] == {"kind": "signs"} and told["case"]["view"] == {"kind": "full"}
    with pytest.raises(DataError, match=said) as error:
        counterexample.replay(over, spoilt(told, part, value), strategies.SHAPES)
    assert "\n" not in str(error.value)


def test_a_file_of_the_first_schema_is_refused(tmp_path):
    over = OVER_READINGS["dichotomy-for-every-convex-loss"]
    case = DeadZones((1,), (0,), ((1, (1,), 0, 2),))
    told = counterexample.state(over, case, over.check(case), None, strategies.SHAPES)
    with pytest.raises(DataError, match="schema is 1, not 2"):
        counterexample.read(counterexample.write(tmp_path / "c.json", {**told, "schema": 1}))


def test_a_part_that_a_file_cannot_tell_is_refused():
    """A kind without a name of its own would be read back as another one."""

    @dataclass(frozen=True)
    class Nameless(Accepted):
        pass

    case = replace(typical(one_loss("tanh-3")[0]), view=Nameless())
    with pytest.raises(InputError, match=r"^view: "):
        counterexample.state(cosine_below(1), case, Evidence(0.0, 0.0, -1.0), None, strategies.SHAPES)


def test_what_is_found_is_made_simpler():
    """Zeros and whole numbers in the vectors, array by array, as long as it stays a counterexample."""
    case = typical(one_loss("tanh-3")[0])
    simple = falsification.simplified(case, lambda c: np.abs(c.theta0[:3]).max() > 0.2, lambda: False)
    assert np.count_nonzero(simple.theta0) == 1 and np.all(simple.theta0 == np.round(simple.theta0, 2))
    assert not simple.drawn.any() and not simple.x.any() and not simple.trait.x.any() and simple.alpha == 1
    assert np.count_nonzero(simple.weights) == 1 and np.array_equal(simple.trait.labels, case.trait.labels)


# Exact cases ---------------------------------------------------------------------------------------


def test_dead_zones_are_decided_in_rationals():
    square = DeadZones((1,), (0,), ((1, (1,), 0, 2),))
    assert square.quadratic_form() == 2 and square.zero_until() is None
    blind = DeadZones((1,), (-1,), ((1, (1,), 1, 2),))
    assert blind.quadratic_form() == 0 and blind.zero_until() == Fraction(1, 2)
    assert blind.alignment(Fraction(3)) == -2 * (6 - 1)
    unmoved = DeadZones((0,), (1,), ((1, (1,), 0, 2),))
    assert unmoved.first_seen() is None
    over = OVER_READINGS["dichotomy-for-every-convex-loss"]
    assert [over.check(case).margin for case in (square, blind, unmoved)] == [1.0, -1.0, 1.0]
    with pytest.raises(ValueError, match="k ≥ 2"):
        DeadZones((1,), (0,), ((1, (1,), 0, 1),))
