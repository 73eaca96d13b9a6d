"""Every claim holds where it should, fails without each of its assumptions, and says something in between."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from threading import get_ident

import numpy as np
import pytest

import subtheory as st
from subtheory import networks, verification
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS, inits, witnesses
from subtheory.claims import assumptions as every_assumption
from subtheory.data import Blank
from subtheory.grid import cells, runs
from subtheory.init import PATHS
from subtheory.measurement import measurements
from subtheory.setting import Setting, ladder
from subtheory.source import FromTask
from subtheory.traces import TRACES
from subtheory.verification import jobs, verify_settings

SMOOTH, KINKED = st.MLP(width=4, depth=1, activation="softplus"), st.MLP(width=6, depth=1, activation="relu")
FEW = ("noise", "linear", "share-heads", "relu-rescaling")
GRID = cells([replace(s, examples=6, trait_examples=8) for s in runs([SMOOTH, KINKED])], st.LOSSES.values())


@pytest.fixture(scope="module")
def verified():
    """The whole theory on two tiny networks (which are each other's other architecture), and its compilations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "NETWORKS", {"smooth": SMOOTH, "kinked": KINKED})
        # Every path is another program: a whole verification takes them all.
        patch.setattr(inits, "PATHS", {name: PATHS[name] for name in FEW})
        inits.paths_of.cache_clear()
        before = Counter(TRACES)
        found = verify_settings(CLAIMS.values(), GRID, range(2))
        inits.paths_of.cache_clear()
        return found, Counter(TRACES) - before


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_claim_is_a_statement(claim):
    assert claim.name == claim.check_measurement.__name__.replace("_", "-") == claim.name.lower()
    assert CLAIMS[claim.name] is claim
    assert claim.statement.endswith(".") and len(claim.statement.split()) > 5
    assert claim.formula and claim.source and claim.controls
    assert len(set(claim.assumptions)) == len(claim.assumptions)
    for control in claim.controls:
        assert control.assumption.sentence.endswith(".")
        assert (control.fails > 0) != (control.witnesses is not None), "declares exactly one thing"
        assert control.assumption.name in control.assumption.name.lower()


def test_every_assumption_is_some_claims():
    named = {name: value for name, value in vars(every_assumption).items() if isinstance(value, st.Assumption)}
    assert set(named.values()) <= {a for claim in CLAIMS.values() for a in claim.assumptions}
    assert all(value.name == name.lower().replace("_", "-") or name in ("UNFILTERED", "NULL_SPACE", "UNSEEN")
               for name, value in named.items())  # fmt: skip


def test_a_claim_spreads_out_one_setting_of_every_network_and_loss():
    """Or a task with one network, whose settings take every channel, would be run for many times as long."""
    claim = CLAIMS["cross-kernel-is-the-trait-part"]
    spoken_of = [setting for setting in GRID if claim.applies(setting)]
    twice = [*spoken_of, *(replace(setting, examples=5) for setting in spoken_of)]
    own = claim.own(twice)
    assert own == claim.own(spoken_of)
    assert {(s.network, s.loss, s.path.name) for s in own} == {
        (s.network, s.loss, name) for s in spoken_of for name in inits.paths_of(s.network, 6, 8)
    }
    assert len(own) == len({(s.network, s.loss, s.path) for s in own})


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_holds_and_is_seldom_vacuous(verified, name):
    result = verified[0][name]
    assert result.verdict is Verdict.HOLDS, (result.worst, result.margin, result.reason)
    assert result.vacuous_fraction <= 0.1 and result.failed == 0 and result.margin >= 0
    assert result.runs > 20 or CLAIMS[name].settings


@pytest.mark.parametrize("name", CLAIMS)
def test_without_an_assumption_it_fails_as_declared(verified, name):
    """All of them: none is left out because no setting could be found in which it is broken."""
    controls = {control.without: control for control in verified[0][name].controls}
    assert set(controls) == {assumption.name for assumption in CLAIMS[name].assumptions}
    for control in controls.values():
        assert control.as_declared and control.verdict is Verdict.FAILS, control


def test_the_verification_as_a_whole(verified):
    found, traces = verified
    assert found.ok and found.decided and len(found) == len(CLAIMS)
    for name in (SMOOTH.name, KINKED.name):
        assert traces[f"prepare {name}"] == traces[f"measure {name}"] == 1, "a sweep recompiled"
    assert sum(count for name, count in traces.items() if name.startswith("foreign")) == 2
    # Every loss, both branches and every teacher take part.
    used = {s for job in jobs(CLAIMS.values(), GRID) if not job.control for s in job.settings}
    assert {s.loss.name for s in used} >= set(st.LOSSES) and {s.teacher for s in used} >= set(st.TEACHERS)


def one(setting):
    """The measurement of a constructed setting."""
    return measurements(setting, (0,), (setting.loss,))[setting.loss.name][0]


CONSTRUCTED = [c for claim in CLAIMS.values() for c in claim.controls if c.witnesses]


def test_every_witness_fails_its_claim():
    """As declared, one by one; and is not vacuous while doing so."""
    assert len(CONSTRUCTED) >= 13
    for claim in CLAIMS.values():
        for control in claim.controls:
            for setting in control.witnesses() if control.witnesses else ():
                with np.errstate(all="ignore"):
                    evidence = claim.check_measurement(one(setting))
                assert evidence.verdict is Verdict.FAILS, (claim.name, setting.network.name)


def test_explicit_numbers_of_the_witnesses():
    """Worked out by hand, to rounding: a wrong sign or factor anywhere in the core moves one of them."""
    close = lambda found, expected, rtol=1e-11: np.testing.assert_allclose(found, expected, rtol=rtol)  # noqa: E731
    m = one(witnesses.kink()[0])
    np.testing.assert_array_equal(m.alignment, -4 * m.eps)
    soft, off = map(one, witnesses.repaired())
    close(soft.alignment[-1] / soft.eps[-1], 1 / 2, 1e-3)
    close(off.alignment / off.eps, 2, 1e-9)
    for m in (soft, off):
        assert CLAIMS["alignment-is-positive"].check_measurement(m).verdict is Verdict.HOLDS
    m = one(witnesses.oscillation()[0])
    close(m.alignment, 2 * 1152 * np.sin(1152 * m.eps))
    assert np.any(m.alignment[:2] < 0)
    m = one(witnesses.converged()[0])
    close(m.alignment / m.eps, 2)
    close(m.leading, 2)
    close(m.trait_change[-1] / (m.alpha * m.eps[-1]), 16, 1e-3)
    close(m.trait_slope, 16)
    m = one(witnesses.zero_branch()[0])
    np.testing.assert_array_equal(m.alignment, 0)
    close(m.trait_change, 4 * m.alpha**2 * m.eps**4)
    close(one(witnesses.signs()[0]).alignment, -1)
    m = one(witnesses.frozen()[0])
    close(m.alignment, -2 * m.eps)
    m = one(witnesses.maximum_at_the_match()[0])
    close(m.alignment, -2 * m.eps)
    m = one(witnesses.filtered()[0])
    close(m.alignment, 2 * (m.eps - 2))
    m = one(witnesses.moving_null_space()[1])
    assert m.leading == 0
    np.testing.assert_allclose(m.alignment, m.eps**4 * (8 * m.eps - 1), rtol=1e-8, atol=1e-17)


@dataclass(frozen=True)
class OneTeacher(FromTask):
    """Prepares the one teacher that is asked for."""

    deterministic = True


@pytest.mark.parametrize(("activation", "turned"), [("relu", True), ("softplus", False)])
def test_a_zero_bias_relu_network_turns_away_from_random_teachers(activation, turned):
    """On blank inputs and at zero biases, with one logit distilled; no witness chosen, no softplus does it."""
    network = st.MLP(width=8, depth=1, activation=activation, bias_std=0)
    setting = Setting(network, channel=Blank(), outputs=(0,), teacher="random", relative=False, eps=ladder(1e-4),
                      examples=1, trait_examples=1, source=OneTeacher(network.task))  # fmt: skip
    ends = [m.alignment[-1] / m.eps[-1] for m in measurements(setting, range(24), (setting.loss,))["squared-error"]]
    assert np.all(np.isfinite(ends)) and np.any(np.array(ends) < -1e-2) == turned
    assert np.mean(np.array(ends) < 0) < 0.6


def test_compiled_programs_are_dropped_before_the_process_runs_out_of_maps(monkeypatch):
    """Nothing is dropped below the limit; above it everything is."""
    dropped = []
    monkeypatch.setattr(verification.jax, "clear_caches", lambda: dropped.append(True))
    verification.make_room()
    assert not dropped
    monkeypatch.setattr(verification, "MAPPED", 0)
    verification.make_room()
    assert dropped == ([True] if Path("/proc/self/maps").exists() else [])


def test_one_thread_measures_every_run_once(monkeypatch):
    """Two threads that run programs at once can wait for each other for ever."""
    todo = [verification.Run(replace(GRID[0], network=network), (GRID[0].loss,)) for network in (SMOOTH, KINKED)]
    seen = []
    monkeypatch.setattr(verification.Run, "values", lambda run, seeds: seen.append(get_ident()) or {"seeds": seeds})
    assert verification.measure_all([*todo, *todo], (0, 1)) == {run: {"seeds": (0, 1)} for run in todo}
    assert seen == [get_ident()] * 2
