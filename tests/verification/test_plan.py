"""The planner: covering designs, what each size runs, every run once, and a further claim that compiles nothing."""

import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from threading import get_ident

import jax
import numpy as np
import pytest
from shapes import KINKED, SMOOTH

import subtheory as st
from subtheory.claim import Assumption, Control, Evidence, Verdict, claim
from subtheory.claims import CLAIMS
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.claims.inits import one_step
from subtheory.init import PATHS
from subtheory.instruments.first_order import FirstOrder
from subtheory.instruments.instrument import Instrument
from subtheory.instruments.two_inits import TwoInits
from subtheory.setting.setting import Setting
from subtheory.setting.spread import along_every_path, fitting
from subtheory.setting.student import Along, Redrawn, Shared, path_of
from subtheory.statistics import cover, covering
from subtheory.theory.losses import KL, CrossEntropy, SquaredError
from subtheory.theory.rule import Signs
from subtheory.theory.trains import Half
from subtheory.theory.views import Accepted
from subtheory.traces import TRACES
from subtheory.verification import plan
from subtheory.verification.grid import OUTPUTS, SEEN, cells, default, runs
from subtheory.verification.plan import (
    CONTROL_RUNS,
    EACH,
    SEEDS,
    How,
    Job,
    jobs,
    levels,
    measured,
    run_of,
    seeds_of,
    tasks,
)
from subtheory.verification.verdicts import verify_settings, verify_without

# Covering designs ---------------------------------------------------------------------------------

FACTORS = [
    [["a", "b", "c"], [1, 2], [True, False]],
    [list("abcdefgh"), list(range(6)), list(range(4)), list(range(3))],
    [["one"], ["two"], ["three"]],
    [list("ab"), list(range(7))],
    [list("abc"), ["only"], list(range(5)), [None, 0.5]],
]


def pairs(rows):
    """Every pair of levels that occurs, by factor."""
    return {(i, row[i], j, row[j]) for row in rows for i, j in combinations(range(len(row)), 2)}


@pytest.mark.parametrize("factors", FACTORS, ids=lambda f: "x".join(str(len(levels)) for levels in f))
def test_every_pair_of_levels_meets(factors):
    rows = list(covering(factors))
    assert pairs(rows) == pairs(list(product(*factors)))
    assert rows == list(covering(factors)) and len(rows) == len(set(rows)), "deterministic, nothing twice"
    largest = sorted(map(len, factors))[-2:]
    assert np.prod(largest) <= len(rows) <= max(np.prod(largest) + 3, 1.6 * np.prod(largest))
    for i in range(len(rows)):  # no row is there for nothing when it is taken
        assert pairs(rows[: i + 1]) > pairs(rows[:i]) or i >= len(factors[0])
    turns = [row[0] for row in rows[: len(factors[0])]]
    assert len(set(turns)) == len(turns), "the first factor's levels come in turn"


def test_a_cover_of_some_candidates_meets_what_meets_in_them():
    """Not every combination exists: only pairs of levels of one candidate have to meet."""
    rng = np.random.default_rng(0)
    every = list(product(range(5), range(4), range(3), range(6)))
    some = [every[i] for i in rng.choice(len(every), 150, replace=False)]
    chosen = cover(some, lambda row: row)
    assert pairs(chosen) == pairs(some) and set(chosen) <= set(some) and len(chosen) < 60
    assert cover([], lambda row: row) == [] and cover([(1, 2)] * 3, lambda row: row) == [(1, 2)]
    # Greedy by its definition: always the first of those with the most new pairs.
    covered, left, expected = set(), list(some), []
    while left:
        gains = [len(pairs([row]) - covered) for row in left]
        best = int(np.argmax(gains))
        if not gains[best]:
            break
        expected.append(left.pop(best))
        covered |= pairs([expected[-1]])
    assert chosen == expected


def test_levels_may_be_equal_between_factors():
    assert pairs(list(covering([[0, 1], [0, 1], [0, 1]]))) == pairs(list(product([0, 1], repeat=3)))


def test_the_grid_covers_networks_channels_outputs_and_teachers():
    networks = [SMOOTH, KINKED]
    own = [s for s in runs(networks) if not s.zero_branch]
    rows = [(s.network, s.teacher, s.channel, s.outputs) for s in own]
    laws = list(dict.fromkeys(s.channel for s in own))
    assert pairs(rows) == pairs(list(product(networks, SEEN, laws, OUTPUTS))) and len(laws) > 2


def test_a_quick_grid_has_every_loss_on_every_network_and_half_of_the_cells():
    networks = [st.MLP(width=4, depth=1), st.MLP(width=4, depth=1, activation="relu")]
    settings = runs(networks, quick=True)
    for losses in ([], *(list(st.LOSSES.values())[:n] for n in (1, 2, 3, 10))):
        found = cells(settings, losses, quick=True)
        assert {(s.network, s.loss) for s in found} == set(product(networks, losses))
        assert len(found) == len(set(found)) == len(settings) * -(-len(losses) // 2)
        assert set(found) <= set(cells(settings, losses))


# Sizes --------------------------------------------------------------------------------------------

GRID = cells([replace(s, examples=6, trait_examples=8) for s in runs([SMOOTH, KINKED])], st.LOSSES.values())
SPREAD = [c for c in CLAIMS.values() if c.spread and not c.settings]
SIZES = ("quick", "default", "full")


def of(one, size):
    """Settings of a claim alone, without its controls."""
    return jobs([replace(one, controls=())], GRID, size)[0].settings


@pytest.mark.parametrize("one", SPREAD, ids=lambda one: one.name)
def test_sizes_of_what_is_spread_out(one):
    """Full is everything, the default every pair of it, quick a path of every kind for every network."""
    quick, default, full = (of(one, size) for size in SIZES)
    assert set(quick) <= set(full) and set(default) <= set(full) and len(set(full)) == len(full)
    assert full == one.own(GRID)
    assert pairs(map(levels, default)) == pairs(map(levels, full))
    assert len(quick) <= len(default) < len(full)
    assert {s.network for s in quick} == {s.network for s in full} and {s.loss for s in quick} == {s.loss for s in full}
    place = lambda s: (s.network, plan.kind_of(s), s.student.trains)  # noqa: E731
    assert {place(s) for s in quick} == {place(s) for s in full}, "a kind of path that quick leaves out"
    for network in (SMOOTH, KINKED):
        paths = {path_of(s.student.init) for s in default if s.network == network}
        assert paths == {path_of(s.student.init) for s in full if s.network == network}


def test_a_claim_spreads_out_over_every_path_that_fits():
    """And once: settings that take every channel would otherwise run it many times as long."""
    found = of(CLAIMS["cross-kernel-is-the-trait-part"], "default")
    for network in (SMOOTH, KINKED):
        own = [s for s in found if s.network == network]
        names = set(fitting(own[0].but(init=Shared())))
        assert {path_of(s.student.init).name for s in own} == names
    assert len(found) < len(of(CLAIMS["cross-kernel-is-the-trait-part"], "full")) / 2


@pytest.mark.parametrize("size", SIZES)
def test_a_claim_that_is_not_spread_out_runs_where_it_applies(size):
    one = CLAIMS["alignment-is-ggn-form"]
    assert of(one, size) == tuple(s for s in GRID if one.applies(s))
    assert of(CLAIMS["kink-reverses-alignment"], size) == CLAIMS["kink-reverses-alignment"].settings()


@pytest.mark.parametrize("name", [name for name, c in CLAIMS.items() if any(not x.witnesses for x in c.controls)])
def test_controls_take_some_settings_of_every_network(name):
    """All losses of `CONTROL_RUNS` runs, shared out among the networks, and of `EACH` at least."""
    for job in jobs([CLAIMS[name]], GRID):
        if job.control is None:
            own = job.settings
        elif not job.control.witnesses:
            broken = {job.control.assumption.breaks(s) for s in own} - {None}
            assert set(job.settings) <= broken and len(set(job.settings)) == len(job.settings)
            assert {s.network for s in job.settings} == {s.network for s in broken}
            some = {s.but(loss=SquaredError()) for s in job.settings}
            if job.control.assumption.name not in ("interior-minimum", "one-divergence"):  # those change the loss
                networks = len({s.network for s in own})
                assert len(some) <= max(CONTROL_RUNS + networks - 1, EACH * networks)


# Every run once -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spy(Instrument):
    """Writes down what it is asked for."""

    name: str = "spy"
    asked: list = field(default_factory=list, compare=False)

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence) -> dict[str, Sequence]:
        self.asked.append((setting, seeds, {loss.name for loss in losses}, get_ident()))
        return {loss.name: [f"{loss.name} {seed}" for seed in seeds] for loss in losses}


BARE = Setting(SMOOTH, examples=6, trait_examples=8)


def spying(name, spy, settings):
    made = claim(formula="0 = 0", source="here", reads=spy, applies=lambda s: s in settings)(
        lambda record: Evidence(0.0, 0.0, 1.0)
    )
    return replace(made, name=name)


def test_every_run_is_a_task_once_whatever_the_losses_and_claims():
    spy = Spy()
    grid = [BARE.but(loss=loss, network=network) for network in (KINKED, SMOOTH) for loss in (SquaredError(), KL())]
    both = spying("both", spy, grid), spying("kl", spy, [s for s in grid if s.loss == KL()])
    more = [BARE.but(network=SMOOTH, loss=CrossEntropy()), BARE.but(init=Redrawn(), network=KINKED)]
    todo = [*jobs(both, grid), Job(spying("more", Spy("more"), more), tuple(more)), Job(both[0], tuple(grid))]
    found = tasks(todo, (5, 6))
    assert len(found) == len({run for run, *_ in found}) == 4 and {seeds for _, seeds, _ in found} == {(5, 6)}
    asked = {run: {loss.name for loss in losses} for run, _, losses in found}
    assert all(names == {"squared-error", "kl"} for (reads, _), names in asked.items() if reads.name == "spy")
    names = [setting.network.name for (_, setting), *_ in found]
    assert names == sorted(names, key=names.index), "network after network"
    for job in todo:
        assert all(setting.loss.name in asked[run_of(job.claim, setting)] for setting in job.settings)


def test_some_seeds_go_through_all_runs_of_a_network_before_the_next_do():
    """What is prepared for them is at hand."""
    spy, many = Spy(), tuple(range(2 * SEEDS + 3))
    grid = [BARE.but(network=network, outputs=w) for network in (KINKED, SMOOTH) for w in ("all", "aux")]
    found = [
        (setting.network, seeds[0]) for (_, setting), seeds, _ in tasks(jobs([spying("m", spy, grid)], grid), many)
    ]
    assert found == [(n, start) for n in (KINKED, SMOOTH) for start in (0, SEEDS, 2 * SEEDS) for _ in range(2)]


def test_instruments_are_told_apart_by_value():
    """Claims that read alike share a run; another instrument, or another number of draws, has its own."""
    ours = [spying(str(i), spy, [BARE]) for i, spy in enumerate((Spy("a"), Spy("a"), Spy("b")))]
    found = [run for run, *_ in tasks(jobs(ours, [BARE]), (0,))]
    assert sorted(instrument.name for instrument, _ in found) == ["a", "b"]
    assert FirstOrder() == FirstOrder() != TwoInits() and hash(FirstOrder()) == hash(FirstOrder())
    reads = {c.reads for c in CLAIMS.values()}
    assert FirstOrder() in reads and TwoInits() in reads and len(reads) < len(CLAIMS) / 2


def test_constructed_settings_take_one_seed():
    kink = CLAIMS["kink-reverses-alignment"].settings()[0]
    assert seeds_of(kink, (3, 4, 5)) == (3,) and seeds_of(BARE, (3, 4, 5)) == (3, 4, 5)


def test_what_is_not_finite_is_recorded_without_a_word():
    class Wild(Spy):
        def records(self, setting, seeds, losses):
            return {loss.name: [np.float64(1.0) / np.float64(0.0) for _ in seeds] for loss in losses}

    assert measured(((Wild(), BARE), (0,), (SquaredError(),))) == {"squared-error": [np.inf]}


# Compilations -------------------------------------------------------------------------------------

COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compiled():
    """How many programs XLA has been asked for since, whoever asked."""
    count = Counter()

    def heard(event, duration, **more):
        count["programs"] += event == COMPILED

    jax.monitoring.register_event_duration_secs_listener(heard)
    yield lambda: (count["programs"], sum(TRACES.values()))
    jax.monitoring.unregister_event_duration_listener(heard)


def further(reads, name="a-further-claim"):
    """A claim that nobody has written yet."""

    def check(record) -> Evidence:
        """The teacher's update is smaller than its first rung."""
        return Evidence(float(record.eps[-1]), 0.0, float(record.eps[0] - record.eps[-1]))

    new = Assumption("new", "The student takes a plain step.", lambda s: s.but(rule=Signs(), trains=Half()))
    controls = [Control(new, fails=0.0), Control(SHARED_INIT, fails=0.0)]
    made = claim(formula="ε_K < ε_1", source="here", reads=reads, controls=controls, applies=one_step)(check)
    return replace(made, name=name)


NARROW = [Setting(SMOOTH, loss, examples=5, trait_examples=12) for loss in (SquaredError(), KL())]


def test_the_listener_hears_a_compilation(compiled):
    before = compiled()[0]
    jax.jit(lambda x: x * 3.25 + len(TRACES))(np.arange(7.0))
    assert compiled()[0] > before


@pytest.mark.parametrize("reads", [FirstOrder(), TwoInits()], ids=lambda reads: type(reads).__name__)
def test_a_further_claim_on_an_instrument_compiles_nothing(compiled, reads):
    """Nor do its controls, more seeds, another student, another view, every path, or another size of ε."""
    first = [CLAIMS["alignment-is-ggn-form"], CLAIMS["cross-kernel-is-the-trait-part"]]
    assert verify_settings(first, NARROW, (0, 1), how=How("quick")).decided
    before = compiled()
    found = verify_settings([*first, further(reads)], NARROW, (0, 1), how=How("quick"))
    assert found["a-further-claim"].verdict is Verdict.HOLDS and found["a-further-claim"].runs == 4
    assert compiled() == before
    elsewhere = [
        s.but(view=Accepted(), trains=Half(), rule=Signs(), eps=st.ladder(1e-3), outputs="aux") for s in NARROW
    ]
    walks = [one.but(init=Along(PATHS["noise"], 0.3)) for one in elsewhere]
    verify_settings([further(reads)], [*elsewhere, *walks, *along_every_path(NARROW[0])], range(5))
    verify_without("shared-init", [*first, further(reads)], NARROW, (7, 8, 9))
    assert compiled() == before


def test_another_network_compiles_its_own_kernels_only(compiled):
    verify_settings([CLAIMS["alignment-is-ggn-form"]], NARROW, (0,))
    before = Counter(TRACES)
    other = [s.but(network=replace(s.network, width=7)) for s in NARROW]
    verify_settings([replace(CLAIMS["alignment-is-ggn-form"], controls=())], other, (0,))
    name = other[0].network.name
    kernels = {f"{kernel} {name}": 1 for kernel in ("values", "taylor", "pulls", "grouped pulls")}
    assert Counter(TRACES) - before == kernels


@pytest.mark.parametrize("quick", [True, False])
def test_a_run_is_the_same_one_in_another_process(quick):
    """Programs are found by what they are of: a run that came back unequal would compile all of its own again."""
    shared = {
        run_of(job.claim, s) for job in jobs(CLAIMS.values(), default(quick)) for s in job.settings if not s.source
    }
    assert len(shared) > 100
    assert [run for run in shared if pickle.loads(pickle.dumps(run)) != run] == []
