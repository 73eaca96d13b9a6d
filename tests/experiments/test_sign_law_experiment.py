"""The sign-law experiment: a fit that recovers its radius, and a run on one small network."""

import numpy as np
import pytest
from shapes import SMOOTH

from subtheory import figure, records
from subtheory.numerics import public
from subtheory.study import experiment
from subtheory.theory.beyond import sign_law

DRAWS = 2000

probability = public(sign_law.sign_probability)


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["sign_law"].module


def test_fit_recovers_the_radius_and_its_error(module):
    """From exact frequencies r* to the search's own tolerance; from drawn ones within its standard error."""
    rng, P, wanted = np.random.default_rng(0), 50, 0.03
    r = wanted * np.array([0.5, 0.8, 1.2, 2.0, 4.0])
    p = probability(wanted, r * np.sqrt(P), 1.0, 1.0, P)
    fit = lambda shares: module.fitted_radius(  # noqa: E731
        [{"radius": a, "measured": b, "parameters": P} for a, b in zip(r, shares, strict=True)], DRAWS
    )
    exact, error = fit(p)
    assert exact == pytest.approx(wanted, rel=1e-4)
    drawn = np.log([fit(rng.binomial(DRAWS, p) / DRAWS)[0] / wanted for _ in range(60)])
    # The spread of 60 fits is known to one part in √120.
    assert np.std(drawn) == pytest.approx(error, rel=4 / np.sqrt(120))


def test_slope_is_of_the_powers_of_eps(module):
    rows = [{"eps": e, "fitted": 3 * e**0.9, "relative_error": 0.01 * (1 + e)} for e in (1e-3, 1e-2, 1e-1)]
    slope, error = module.log_slope(rows)
    assert slope == pytest.approx(0.9, rel=1e-12) and 0 < error < 0.01
    assert np.isnan(module.log_slope(rows[:1])[0])


def test_experiment_on_one_small_network(module):
    """Cells are judged before they are drawn, radii differ between sizes, saved rows draw the figure."""
    tables = module.tables(module.Plan((SMOOTH,), draws=100))
    cells = tables["sign_law"]
    sizes = len(module.LARGE + module.SMALL)
    assert len(cells) == sizes * module.RADII == len({round(row["relative_radius"], 9) for row in cells})
    assert all(row["judged"] for row in cells[len(module.LARGE) * module.RADII :])
    assert not any(row["judged"] for row in cells[: module.RADII])
    assert all(row["harmless"] == 1 for row in cells if row["judged"])
    found = {row["quantity"]: row["value"] for row in tables["summary"]}
    slope, error = (found[f"{name}, mlp"] for name in ("slope of log r* against log ε", "standard error of that slope"))
    assert abs(slope - 1) < 4 * error
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")
