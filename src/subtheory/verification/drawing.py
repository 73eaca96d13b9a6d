"""A verification as a picture: the margin of every run, a line a claim."""

from typing import TYPE_CHECKING

import numpy as np

from subtheory.claim import Verdict
from subtheory.figure import COLOURS, axes_of, style
from subtheory.verification.runs import VERDICTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from subtheory.verification.results import Verification

LOW, HIGH = -1.0, 1.1
"""What is drawn of a margin; what lies beyond is drawn at the edge."""

LOOKS = {
    Verdict.HOLDS: (COLOURS[0], "o"),
    Verdict.FAILS: (COLOURS[1], "X"),
    Verdict.UNDECIDED: (COLOURS[4], "^"),
}
"""A verdict is a sign and a colour, never a colour alone."""


def margins(found: "Verification", ax: "Axes | None" = None) -> "Axes":
    """Margins of the runs that say something, claim by claim from above; a claim without any says so in its place."""
    drawn = set()
    with style():
        ax = axes_of(ax, height=0.9 + 0.2 * len(found.claims))
        ax.axvline(0, color="#999999", linewidth=0.8)
        for i, claim in enumerate(found.claims):
            runs = claim.every.table
            # A narrow line of dots: one above the other they would hide how many there are.
            y = i + np.linspace(-0.25, 0.25, len(runs)) if len(runs) > 1 else np.full(len(runs), float(i))
            x = np.clip(np.nan_to_num(runs["margin"], nan=LOW, posinf=HIGH, neginf=LOW), LOW, HIGH)
            for verdict, (colour, marker) in LOOKS.items():
                own = runs["verdict"] == VERDICTS.index(verdict)
                if own.any():
                    label = None if verdict in drawn else str(verdict)
                    drawn.add(verdict)
                    ax.scatter(x[own], y[own], 9, c=colour, marker=marker, linewidths=0, alpha=0.7, label=label)
            if np.all(runs["verdict"] == VERDICTS.index(Verdict.VACUOUS)):
                ax.text(0.02, i, "vacuous" if len(runs) else "no run kept", va="center", fontsize=6.5, color="#5c656e")
        ax.set(xlim=(LOW - 0.05, HIGH), ylim=(max(1, len(found.claims)) - 0.5, -0.5))
        ax.set_yticks(range(len(found.claims)), [claim.name for claim in found.claims])
        ax.set_xlabel("margin, 1 − error/tolerance: 1 is exact, below 0 a run fails")
        if drawn:
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(LOOKS))
    return ax
