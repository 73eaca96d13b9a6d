"""Transfer and detection: one number decides whether a student inherits and whether a test with both models sees it.

Sizes ε are small, and N is such that √(2N KL) is given, whatever ε is. Each run draws its own init, data and labels.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.claims.labels.settings import SUBTRACTED
from subtheory.constructed.labels import both, distilled, letters
from subtheory.instruments.detected import (
    LEVEL,
    PEARSON,
    RATIO,
    STATISTIC,
    STUDENT,
    TRAINED,
    Cells,
    Detected,
    Detections,
)
from subtheory.setting.setting import Setting
from subtheory.statistics import Area, at_chance, surprise
from subtheory.theory.beyond.detection import apart, deflection
from subtheory.theory.views import Full, Matched, Within

CHANCE = 1e-8
"""Chance that a true law leaves one interval. A run looks at 20 at most (4 cells, 5 counts each), a verification of
4 settings and 8 seeds at 640. What a law neglects shifts a share by less than a fifth of its standard error, which
makes Φ(−5.7) at most three times larger: 640 · 3 · 10⁻⁸ < 2·10⁻⁵ < 10⁻⁴."""

MARGIN, TEST = 0.1, 0.05
"""How far from ½ an AUROC may be to count as chance, and the level of the two one-sided tests. The likelihood ratio is
at 0.86 and 0.98 there. Of 1,200 pairs the standard error is 0.0144, and ½ is refused where they are off by more than
(0.1 − 1.64·0.0144)/0.0144 = 5.3 of it: 1.3·10⁻⁷ for each of 3 detectors and 16 runs, 6·10⁻⁶ in all."""

EPS = (2e-4, 2e-5)
"""Relative sizes of the teacher's update."""

DRAWS = 300
"""Data sets of each law, size and N."""

Z = -float(ndtri(LEVEL))

UNMATCHED = Assumption(
    "unmatched-labels",
    "Nothing re-weighs the labels so that a statistic of them has the law that it has for the init.",
    lambda setting: setting.but(view=Matched(letters(setting))),
)

MATCHED = Assumption(
    "matched-labels",
    "What the detector sees of a label has the law that it has for the init.",
    lambda setting: setting.but(view=Full()),
)


def settings() -> tuple[Setting, ...]:
    """Labels and texts, all of them and a random half."""
    return tuple(one for setting in both() for one in (setting.but(eps=EPS), filtered(setting)))


def filtered(setting: Setting) -> Setting:
    """The setting behind a random accept set, of a half of the distilled outputs."""
    known = distilled(setting)
    drawn = np.random.default_rng(len(known)).permutation(known)[: (len(known) + 1) // 2]
    return setting.but(view=Within(tuple(sorted(drawn.tolist()))), eps=EPS)


def unsubtracted() -> tuple[Setting, ...]:
    """Filtered labels and texts, of which the student keeps what its control has too."""
    return tuple(filtered(setting).but(subtracted=False) for setting in both())


def matched() -> tuple[Setting, ...]:
    """Labels of which a pair, and texts of which the letters are as often as the init's."""
    return tuple(setting.but(view=Matched(letters(setting)), eps=EPS) for setting in both())


def lawful(*laws: tuple[Cells, np.ndarray]) -> Evidence:
    """Whether counts are those of Φ of the arguments beside them, where these may be judged; the worst is shown."""
    off, share, law = (np.stack(each) for each in zip(*(_judged(*one) for one in laws), strict=True))
    if np.all(off < 0):
        return Evidence(0.0, 0.0, 1.0, "what the law neglects would shift every share by a fifth of its standard error")
    worst = np.unravel_index(np.argmax(off), off.shape)
    return Evidence(float(share[worst]), float(law[worst]), float(1 + off[worst] / ndtri(CHANCE / 2)))


def _judged(cells: Cells, argument: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By how many σ counts are off a law, −1 where it may not be judged; their shares, and the law."""
    law = ndtr(argument)
    off = np.where(cells.judged(argument), surprise(cells.counts, cells.draws, law), -1.0)
    return off, cells.counts / cells.draws, law


@claim(
    formula="P(D > 0) = Φ(d), AUROC of log(r_ε/r_0) = Φ(d/√2), power at level a = Φ(d − z_a), d = √(2N KL(r_ε ‖ r_0))",
    source="a student's step on N labels adds up their scores, to first order their likelihood ratio (prediction P39)",
    controls=[
        Control(SHARED_INIT, fails=0.7),
        Control(UNMATCHED, fails=0.95),
        Control(SUBTRACTED, witnesses=unsubtracted),
    ],
    settings=settings,
    reads=Detected(DRAWS, (1.0, 2.0), letters),
    run_tier="statistical",
    proof="detection",
)
def transfer_and_detection_share_one_boundary(d: Detections) -> Evidence:
    """N labels move a student towards its teacher as often as an optimal test of level ½ sees that they are its own.

    One number, √(2N KL), decides both: sign of the step, and power and AUROC of the likelihood ratio of both models, at
    every N and ε, for labels and texts, all or filtered. Labels of the init are called a teacher's as often as the
    level says.
    """
    ratio, law = d.told[RATIO], d.deflection
    return lawful(
        (d.told[STUDENT].towards, law),
        (ratio.towards, law),
        (ratio.power, law - Z),
        (ratio.ahead, apart(law)),
        (ratio.false, np.full(law.shape, -Z)),
    )


@claim(
    formula="KL of T is 0: AUROC of who sees T = ½, of log(r_ε/r_0) = Φ(√(N KL)), P(D > 0) = Φ(√(2N) KL/√KL_full)",
    source="labels r(y) = p_ε(y | T) p0(T) say what the teacher says beyond T: KL = KL_full − KL_T (prediction P39)",
    controls=[Control(MATCHED, fails=0.95)],
    settings=matched,
    reads=Detected(DRAWS, (1.5, 3.0), letters),
    run_tier="statistical",
    proof="detection",
)
def statistics_can_see_nothing(d: Detections) -> Evidence:
    """Labels can be such that no detector of a statistic sees anything, and student and likelihood ratio still do.

    The letters of every text are as often as the init's: the optimal test of letters, one that was fitted to samples,
    and χ² are at chance within a margin, by two one-sided tests. The likelihood ratio keeps its law, and the student
    that of a detector which weighs labels by all of their scores.
    """
    law, ratio = d.deflection, d.told[RATIO]
    heard = deflection(d.kl[:, None], d.rows) * np.sqrt(d.kl / d.full)[:, None]
    seen = lawful((d.told[STUDENT].towards, heard), (ratio.power, law - Z), (ratio.ahead, apart(law)))
    return min([seen, *(blind(d.told[name].ahead) for name in (STATISTIC, TRAINED, PEARSON))], key=lambda e: e.margin)


def blind(ahead: Cells) -> Evidence:
    """Whether an AUROC is ½ within the margin: of all cells together, which chance does not tell apart."""
    pairs = ahead.counts.size * ahead.draws
    share = float(ahead.counts.sum() / pairs)
    found = at_chance(Area(share, float(np.sqrt(share * (1 - share) / pairs))), MARGIN, TEST)
    return Evidence(share, 0.5, 1 - max(-found.low, found.high) / MARGIN)
