"""What a shuffle of texts leaves of the Gauss-Newton form: by order, and by single letters (prediction P15).

Laws p and scores s = Δ · ∇log p are (..., V) over all texts of T letters, in the order of `views.Shuffled`, whose
`orders` (T!, V) and `texts_with` (T, letters, V/letters) say where letters stand. All that is given back is (...).
Derived in `proofs/shuffle.py`.
"""

import numpy as np
from numpy.typing import NDArray

from subtheory.theory.views import Shuffled

Floats = NDArray[np.float64]


def split(p: Floats, s: Floats, view: Shuffled) -> tuple[Floats, Floats]:
    """q_marginal = Σ p s̄² and q_conditional = Σ p (s − s̄)², s̄ the mean over the orders of a text; q if p has none."""
    mean = s[..., view.orders()].mean(axis=-2)
    return (p * mean**2).sum(axis=-1), (p * (s - mean) ** 2).sum(axis=-1)


def slope_within(p: Floats, s: Floats, view: Shuffled) -> Floats:
    """D′(0) = Σ r′ s of a student of r = Σ_π p_π/T!, for any p; q_marginal if all orders are equally likely."""
    return ((p * s)[..., view.orders()].mean(axis=-2) * s).sum(axis=-1)


def slope_across(p: Floats, s: Floats, view: Shuffled) -> Floats:
    """D′(0) = Σ r (Σ_t τ(y_t)) s(y) of r = Π m(y_t), for any p; `letters_part` if p is r."""
    law, tau = _letter(p, s, view)
    said = view.letters_of()
    return (law[..., said].prod(axis=-2) * tau[..., said].sum(axis=-2) * s).sum(axis=-1)


def letters_part(p: Floats, s: Floats, view: Shuffled) -> Floats:
    """T Σ m τ², which is at most q_marginal if letters are independent and of one law m."""
    law, tau = _letter(p, s, view)
    return view.length * (law * tau**2).sum(axis=-1)


def _letter(p: Floats, s: Floats, view: Shuffled) -> tuple[Floats, Floats]:
    """m, the mean law of a letter over its places, and τ = (log m)′, (..., letters)."""
    law, moved = (values[..., view.texts_with()].sum(axis=-1).mean(axis=-2) for values in (p, p * s))
    return law, moved / law
