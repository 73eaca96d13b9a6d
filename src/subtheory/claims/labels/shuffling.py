"""Shuffled responses: what is lost is what stood in the order of letters, if the init does not care for order (P15)."""

from dataclasses import replace
from typing import Any

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT
from subtheory.constructed import orders
from subtheory.envelope import limit, worst
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import GradientDescent, Random
from subtheory.theory.beyond import shuffling
from subtheory.theory.trains import Layers
from subtheory.theory.views import Full

EXCHANGEABLE = Assumption(
    "exchangeable",
    "All orders of the same letters are equally likely at the init.",
    lambda setting: setting.but(source=replace(setting.origin, order=1.0)),  # type: ignore[type-var]
)

EVERY_ORDER = Assumption(
    "every-order",
    "A response is shown in every order of its letters alike.",
    lambda setting: setting.but(view=Full()),
)

SKEWED = Assumption("skewed", "One order of two tokens is likelier than the other at the init.", lambda setting: None)

SHUFFLED = Assumption("shuffled", "Each response is shown in both orders alike.", lambda setting: None)

BROKEN = [Control(each, fails=0.95) for each in (EXCHANGEABLE, EVERY_ORDER, SHARED_INIT, GRADIENT_STUDENT)]

WITHIN, ACROSS = orders.shuffled(), orders.shuffled(across=True)


def settings(view: Any = WITHIN) -> tuple[Setting, ...]:
    """A language model that does not care for order; the theorem's teacher, and one that learns about order alone."""
    teachers = GradientDescent(), Random(moves=Layers(orders.BLIND))
    return tuple(orders.ordered().but(view=view, teacher=teacher) for teacher in teachers)


def _texts(m: Labelling) -> tuple[np.ndarray, np.ndarray]:
    """p0 and s of the texts, (M, V) each."""
    return m.p0[:, m.distilled > 0], m.scores[:, m.distilled > 0]


@claim(
    formula="D(ε) = ε q_marginal + O(ε²), q_marginal = E Σ p s̄² = q − E Σ p (s − s̄)², s̄ = mean of s over all orders",
    source="p′ = ps and the law of total variance under an exchangeable p (prediction P15)",
    controls=BROKEN,
    settings=settings,
    reads=Labelled(),
    proof="shuffle",
)
def shuffling_kills_the_order_part(m: Labelling) -> Evidence:
    """Shuffled responses align by what is not in their order, and by all of it, if the init does not care for order.

    Constant and order: the Gauss-Newton form is the sum of a part that the shuffle leaves and one that it takes away.
    """
    kept, lost = map(m.mean, shuffling.split(*_texts(m), WITHIN))
    found = limit(m.added, m.eps * kept, m.eps * kept, m.eps, 2, m.rounding)
    split = 1 - abs(kept + lost - m.form) / (ROUNDINGS * UNIT * m.form)
    return worst([found], split)


@claim(
    formula="D(ε) = ε T E Σ m τ² + O(ε²) ≤ ε q_marginal, m the law of a letter at the T places of a text, τ = (log m)′",
    source="s̄ projected on sums over letters, for independent letters of one law (prediction P15)",
    controls=BROKEN,
    settings=lambda: settings(ACROSS),
    reads=Labelled(),
    proof="shuffle",
)
def shuffling_across_keeps_single_letters(m: Labelling) -> Evidence:
    """Letters that are shuffled across responses align by what each says alone, no more than shuffled texts do.

    Constant and order, for an init that draws letters independently of each other and of their place.
    """
    kept = m.mean(shuffling.letters_part(*_texts(m), ACROSS))
    found = limit(m.added, m.eps * kept, m.eps * kept, m.eps, 2, m.rounding)
    more = m.mean(shuffling.split(*_texts(m), WITHIN)[0]) - kept
    return worst([found], more / m.form + ROUNDINGS * UNIT)


@claim(
    formula="p = (4, 1, 7, 4)/16, s = (−1, −20, 4, −1) on aa, ab, ba, bb: q = 65/2, [D − D(0)]/ε → −7/2, D(0) = −9/2",
    source="counterexample to P15 for an init that is not exchangeable: D′(0) = (q + Σ p s sᵀ)/2",
    controls=[Control(SKEWED, witnesses=orders.exchangeable), Control(SHUFFLED, witnesses=orders.unshuffled)],
    settings=orders.reversing,
    reads=Labelled(),
    every_eps=True,
    proof="shuffle",
)
def shuffling_can_reverse_without_exchangeability(m: Labelling) -> Evidence:
    """A student of shuffled responses can move away from its teacher, beyond its control, where order is not by chance.

    The rare order gets labels that are meant for the likely one. Unshuffled, or with both orders equally likely at
    the init, it would align.
    """
    found = limit(m.added, -3.5 * m.eps, -3.5 * m.eps, m.eps, 2, m.rounding)
    off = np.abs([m.control + 4.5, m.form - 32.5]) / (ROUNDINGS * UNIT * 32.5)
    return worst([found], float(1 - np.max(off)))
