"""What makes the claims about chains fail: another sign, order or constant, and a share that falls."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.instruments.dynamics.chains import Chain
from subtheory.setting.setting import ladder

INHERITS = CLAIMS["one-channel-inherits-in-every-generation"]
CONVERGED = CLAIMS["converged-generations-are-idempotent"]
RETAINS = CLAIMS["retention-never-falls"]
EPS = np.array(ladder())


def chain(moments: np.ndarray, bent: float = 0.3) -> Chain:
    """One that has these moments, and a term of second order."""
    measured = EPS[:, None] * moments * (1 + bent * EPS[:, None])
    seen = float(moments[1])
    return Chain(EPS, measured, measured, moments, moments, seen, np.full(5, 1e-15), 1e-15)


MODES, SHARES = np.array([1.0, 0.3, 0.1]), np.array([0.1, 0.5, 0.9])
LAW = (MODES * SHARES ** np.arange(5)[:, None]).sum(axis=1)
FITS = np.array([1.0, 0.4, 0.4, 0.4, 0.4])


def test_they_hold_of_what_they_say() -> None:
    assert INHERITS.check(chain(LAW)).verdict is Verdict.HOLDS
    assert RETAINS.check(chain(LAW)).verdict is Verdict.HOLDS
    assert CONVERGED.check(chain(FITS)).verdict is Verdict.HOLDS


@pytest.mark.parametrize("claim", [INHERITS, RETAINS], ids=lambda each: each.name)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda r: np.where(np.arange(5) == 2, -r, r),
        lambda r: np.where(np.arange(5) == 2, 1.01 * r, r),
        lambda r: np.where(np.arange(5) == 4, 0.9 * r, r),
        lambda r: r + 0.1 * EPS[:, None] ** 1.5 * (np.arange(5) == 3),
    ],
    ids=["sign", "constant", "fall", "order"],
)
def test_they_fail_of_anything_else(claim, wrong) -> None:
    right = chain(LAW)
    assert claim.check(replace(right, inherited=wrong(right.inherited))).verdict is Verdict.FAILS


def test_a_loss_from_one_fitted_generation_to_the_next_is_noticed() -> None:
    right = chain(FITS)
    lost = right.alignment * np.array([1.0, 1.0, 0.97, 0.94, 0.91])
    assert CONVERGED.check(replace(right, alignment=lost)).verdict is Verdict.FAILS
    # Nor may the spectrum excuse it: more than a hundredth that is left unfitted is not converged.
    excused = replace(right, alignment=lost, moments=FITS * np.array([1.0, 1.0, 0.97, 0.94, 0.91]))
    assert CONVERGED.check(excused).verdict is Verdict.FAILS
