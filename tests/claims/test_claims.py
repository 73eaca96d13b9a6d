"""Every claim holds where it should, fails without each of its assumptions, and says something in between."""

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import subtheory as st
from subtheory import claims as package
from subtheory import networks
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.claims import assumptions as every_assumption
from subtheory.constructed import witnesses
from subtheory.data import Blank
from subtheory.instruments.first_order import FirstOrder
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import path_of
from subtheory.traces import TRACES
from subtheory.verification.grid import cells, runs
from subtheory.verification.plan import How, jobs
from subtheory.verification.verdicts import verify_settings

SMOOTH, KINKED = st.MLP(width=4, depth=1, activation="softplus"), st.MLP(width=6, depth=1, activation="relu")
pytestmark = pytest.mark.timeout(1800)  # the whole theory at once, ten minutes where other programs run beside it
GRID = cells([replace(s, examples=6, trait_examples=8) for s in runs([SMOOTH, KINKED])], st.LOSSES.values())


@pytest.fixture(scope="module")
def verified():
    """The whole theory on two tiny networks (which are each other's other architecture), and its compilations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "NETWORKS", {"smooth": SMOOTH, "kinked": KINKED})
        before = Counter(TRACES)
        found = verify_settings(CLAIMS.values(), GRID, range(2), how=How("quick"))
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
    for kernel in ("values", "taylor", "pulls"):
        assert traces[f"{kernel} {SMOOTH.name}"] == 1, "a sweep recompiled"
        # The heads are those of another network of this name.
        assert traces[f"{kernel} {KINKED.name}"] <= 3, "a sweep recompiled"
    # One more program would end a process that has mapped too many, not raise.
    assert sum(traces.values()) < 200, traces.most_common(12)
    # Every loss, both branches and every teacher take part.
    used = {s for job in jobs(CLAIMS.values(), GRID, "quick") if not job.control for s in job.settings}
    assert {s.loss.name for s in used} >= set(st.LOSSES) and {s.teacher for s in used} >= set(st.TEACHERS.values())
    walks = {path_of(s.student.init).name for s in used if path_of(s.student.init)}
    assert walks >= {"noise", "relu-rescaling", "fork"}


def one(setting, reads=FirstOrder()):
    """What is recorded of a constructed setting."""
    return reads.records(setting, (0,), (setting.loss,))[setting.loss.name][0]


CONSTRUCTED = [c for claim in CLAIMS.values() for c in claim.controls if c.witnesses]


def test_every_witness_fails_its_claim():
    """As declared, one by one; and is not vacuous while doing so."""
    assert len(CONSTRUCTED) >= 13
    for claim in CLAIMS.values():
        for control in claim.controls:
            for setting in control.witnesses() if control.witnesses else ():
                with np.errstate(all="ignore"):
                    evidence = claim.check_measurement(one(setting, claim.reads))
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


@pytest.mark.parametrize(("activation", "turned"), [("relu", True), ("softplus", False)])
def test_a_zero_bias_relu_network_turns_away_from_random_teachers(activation, turned):
    """On blank inputs and at zero biases, with one logit distilled; no witness chosen, no softplus does it."""
    network = st.MLP(width=8, depth=1, activation=activation, bias_std=0)
    setting = Setting(network, channel=Blank(), outputs=(0,), teacher="random", relative=False, eps=ladder(1e-4),
                      examples=1, trait_examples=1)  # fmt: skip
    found = FirstOrder().records(setting, range(24), (setting.loss,))["squared-error"]
    ends = [m.alignment[-1] / m.eps[-1] for m in found]
    assert np.all(np.isfinite(ends)) and np.any(np.array(ends) < -1e-2) == turned
    assert np.mean(np.array(ends) < 0) < 0.6


# Claims state; they do not compute ----------------------------------------------------------------

COMPILES = {"jit", "pmap", "lru_cache", "cache", "cached_property", "public"}
"""Names that compile something, or keep it."""

PREPARES = ("subtheory.setting.preparation", "subtheory.kernels.compiled", "subtheory.kernels.stack")
"""Modules that make the arrays of a run."""

MODULES = sorted(Path(package.__file__).parent.rglob("*.py"))


def imported(tree):
    """Every module, and every name from a module, that a file imports, at the top or in a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            yield from (name for alias in node.names for name in (node.module, f"{node.module}.{alias.name}"))


def computing(source):
    """Whatever in a module compiles, caches or prepares, in words."""
    tree = ast.parse(source)
    found = {
        f"imports {name}" for name in imported(tree) if name.startswith(PREPARES) or name.rsplit(".", 1)[-1] in COMPILES
    }
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        found |= {f"uses {name}"} if name in COMPILES else set()
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_claims_hold_statements_only(module):
    """What is measured is an instrument's, constructed settings are those of `subtheory.constructed`."""
    assert computing(module.read_text()) == set()


def test_what_computes_is_noticed():
    assert computing("from functools import partial\ncached = jits = 1") == set()
    for source in (
        "import jax\nf = jax.jit(abs)",
        "from functools import lru_cache\n@lru_cache(maxsize=8)\ndef f(): ...",
        "from functools import cache as kept",
        "import functools\n@functools.cache\ndef f(): ...",
        "def f():\n    from subtheory.kernels import compiled",
        "from subtheory.setting.preparation import stack",
        "import subtheory.kernels.compiled as k",
    ):
        assert len(computing(source)) >= 1, source


def test_every_claim_is_in_a_module_of_the_theory():
    """Or adding one would be more than adding a function."""
    functions = [n for path in MODULES for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    made_by = lambda f: {getattr(d.func, "id", "") for d in f.decorator_list if isinstance(d, ast.Call)}  # noqa: E731
    defined = {f.name.replace("_", "-") for f in functions if "claim" in made_by(f)}
    assert defined == set(CLAIMS) | set(OVER_READINGS) and not set(CLAIMS) & set(OVER_READINGS)
