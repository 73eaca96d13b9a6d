"""The sign law of really sampled numbers: a tiny model comes out, and what is planted in its scores is noticed."""

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["llm_sign_law"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan("tiny", pieces=8))


def test_everything_comes_out_and_saved_rows_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert all(one.ok for one in found), [one.row for one in found if not one.ok]
    assert sum("control" in one.says for one in found) == 2
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_moments_of_a_teacher_are_those_of_exact_laws(module):
    """Two tokens of a chain whose second law depends on the first, enumerated: what is neglected is O(ε³) and O(ε²)."""
    rng = np.random.default_rng(0)
    first, second, u, w = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(3, 3))

    def law(eps):
        p, q = np.exp(first + eps * u), np.exp(second + eps * w)
        return (p / p.sum())[:, None] * (q / q.sum(1, keepdims=True))

    one, each = law(0.0).sum(1), law(0.0) / law(0.0).sum(1, keepdims=True)
    a, b = u - one @ u, w - (each * w).sum(1, keepdims=True)
    score = a[:, None] + b
    information = (one @ a**2) + (each * b**2).sum(1)[:, None] + 0 * score
    curvature = (one @ a**3) + (each * b**3).sum(1)[:, None] + 0 * score
    mean = lambda values, eps=0.0: float(np.sum(law(eps) * values))  # noqa: E731
    known = module.Moments(
        mean(information), mean(curvature), mean(score**3), mean(score**4), mean(score * information)
    )
    off = []
    for eps in (1e-2, 1e-3):
        found = known.cumulants(eps)
        variance = mean(score**2, eps) - mean(score, eps) ** 2
        off.append((abs(mean(score, eps) - found.mean), abs(variance - found.variance)))
    (mean_off, variance_off) = (coarse / fine for coarse, fine in zip(*off, strict=True))
    assert 800 < mean_off < 1200 and 80 < variance_off < 120, (mean_off, variance_off)


def test_coins_are_judged_by_their_law_and_a_bias_is_noticed(module):
    """Normal scores of the law's own moments come out; a mean that is a fifth of a deviation off does not."""
    rng = np.random.default_rng(1)
    known, n, eps = module.Moments(1.0, 0.0, 0.0, 3.0, 0.0), 2048, 0.2
    information = np.ones(n)

    def judged(bias, coin=0.0):
        models = {
            module.BASE: (0.0, rng.normal(coin, 1, n)), "KL 0.02": (eps, rng.normal(eps + bias, 1, n)),
        }  # fmt: skip
        drawn = {name: (e, {"score": s, "information": information}) for name, (e, s) in models.items()}
        shares = [row for name, (e, found) in drawn.items() for row in module.share_rows(name, e, found, known)]
        moments = [module.moment_row(name, e, found, known, 1.0) for name, (e, found) in drawn.items()]
        return [one.ok for one in module.findings({"llm_sign_law": shares, "moments": moments})]

    assert all(judged(0.0))
    biased, unfair = judged(-0.2), judged(0.0, coin=0.2)
    assert not biased[1] and not biased[3], "shares and mean"
    assert not unfair[5] and not unfair[6], "the control"
