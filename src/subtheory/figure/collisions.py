"""What cannot be read in a figure: texts over each other or over the edge, and legends upon the marks of the data."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure

from subtheory.figure.look import style
from subtheory.figure.recorder import Recorder, overlap, recorded

SLACK = 1.0
"""Points by which boxes may overlap: the space within a box around its letters."""


def collisions(figure: Figure) -> list[str]:
    """A sentence for each pair of texts that overlap, each that leaves the figure, and each of a legend upon marks.

    Laid out and drawn as for a PDF, without hinting. Empty if everything can be read.
    """
    with style(), recorded(figure) as recorder:
        figure.draw(recorder)
    return list(dict.fromkeys(_found(recorder)))


def _found(drawn: Recorder) -> Iterator[str]:
    lines = [line for line in drawn.lines if line.seen]
    for one, other in combinations(lines, 2):
        if one.whole != other.whole and overlap(one.corners, other.corners) > SLACK:
            yield f"{one.text!r} overlaps {other.text!r}"
    for line in lines:
        outside = np.maximum(-line.corners, line.corners - drawn.size).max()
        if outside > SLACK:
            yield f"{line.text!r} leaves the figure by {outside:.0f} points"

    for place, corners in drawn.legends.items():
        name = next((line.text for line in lines if line.legend == place), "")
        if hidden := _inside(corners, drawn.marks):
            yield f"the legend of {name!r} lies upon {hidden} marks"
        for line in lines:
            if line.legend != place and overlap(corners, line.corners) > SLACK:
                yield f"{line.text!r} overlaps the legend of {name!r}"


def _inside(corners: np.ndarray, points: np.ndarray) -> int:
    """How many of the points lie in a rectangle."""
    sides = corners[1:3] - corners[:2]
    at = (points - corners[0]) @ sides[0], (points - corners[1]) @ sides[1]
    return int(np.all([(0 < x) & (x < side @ side) for x, side in zip(at, sides, strict=True)], axis=0).sum())
