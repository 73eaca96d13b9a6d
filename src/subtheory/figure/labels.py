"""Texts that make room for each other: long labels in lines, names beside their points, legends off the marks."""

import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox, IdentityTransform

from subtheory.figure.recorder import recorded
from subtheory.figure.sheet import hung

PAD, OVERHANG = 3.0, 1.1
"""Points between texts; how much longer than its side of a panel a label may be."""
UNMARKED = (None, "", " ", "None", "none")
SHORTEST = 8
"""Letters of a line that is broken."""
PLACES = [
    (x, y) for far in (1.0, 2.0, 3.5, 5.0) for x, y in product((far, -far, 0.0), (far, -far, 0.0)) if x or y
]  # fmt: skip
"""Where a name may stand, seen from its point, in units of `PAD`: the nearest first."""


class Beside(Annotation):
    """The name of a point, which moves to where nothing else is."""


def beside(axes: Axes, text: str, point: tuple[float, float], **look: Any) -> Beside:
    """Write the name of a point; `settled` finds its place."""
    name = Beside(text, point, (PAD, PAD), textcoords="offset points", **look)
    name.set_transform(IdentityTransform())
    name.set_clip_on(False)
    axes.add_artist(name)
    return name


def settled(figure: Figure) -> Figure:
    """The figure with its texts in place, at the size that it has. Call it inside `style`."""
    with recorded(figure):
        _laid(figure)
        for _ in range(5):  # a wrapped label moves panels, and these wrap others
            if not sum(_wrapped(text, room) for text, room in _long(figure)):
                break
            _laid(figure)
        every = [axes for axes in figure.axes if axes.axison]
        changed = [_thinned(axis, k) for axes in every for k, axis in enumerate((axes.xaxis, axes.yaxis))]
        changed += [_off_marks(axes) for axes in every if axes.get_legend()]
        names = [axes for axes in every if any(isinstance(one, Beside) for one in axes.texts)]
        if names and any(changed):
            _laid(figure)
        for axes in names:
            _placed(axes)
    for axes in figure.axes:
        if place := axes.get_subplotspec():
            axes.set_subplotspec(place)  # the layout of a file starts from here, whatever was measured
    return figure


def _laid(figure: Figure) -> None:
    """Panels where they are drawn."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def _long(figure: Figure) -> Iterator[tuple[Text, float]]:
    """Titles and labels, and the pixels that each may be long."""
    for axes in figure.axes:
        if axes.get_visible() and axes.axison:
            box, (x, y) = axes.get_window_extent(), np.array(figure.bbox.max)
            edge = 2 * PAD * figure.dpi / 72
            yield axes.xaxis.label, min(OVERHANG * box.width, box.x0 + box.x1 - edge, 2 * x - box.x0 - box.x1 - edge)
            yield axes.yaxis.label, min(OVERHANG * box.height, box.y0 + box.y1 - edge, 2 * y - box.y0 - box.y1 - edge)
            title = axes._left_title  # type: ignore[attr-defined]
            yield title, _until(figure, axes) - box.x0
    edge = PAD * figure.dpi / 72
    for text in (figure._suptitle, figure._supxlabel):  # type: ignore[attr-defined]
        if text is not None:
            yield text, figure.bbox.width - 2 * edge


def _until(figure: Figure, axes: Axes) -> float:
    """Where a title over these axes has to end: at the panel or the colour bar to the right, or the edge."""
    box, pad = axes.get_window_extent(), PAD * figure.dpi / 72
    rights = [other.get_window_extent().x0 for other in figure.axes if other is not axes and _beside(other, box)]
    return min([figure.bbox.width, *rights]) - pad


def _beside(other: Axes, box: Bbox) -> bool:
    """Whether other axes stand to the right, at the same height."""
    there = other.get_window_extent()
    return bool(there.x0 >= box.x1 - 1 and there.y0 < box.y1 and there.y1 > box.y0)


def _wrapped(text: Text, room: float) -> bool:
    """Break the lines of a text that is longer than there is room; whether that changed it."""
    said = text.get_text()
    if not said.strip():
        return False
    length = _length(text)
    if length <= room:
        return False
    whole = re.sub(r"\$[^$]*\$", lambda found: found[0].replace(" ", "\0"), said)
    for letters in range(int(max(map(len, whole.split("\n"))) * room / length), SHORTEST - 1, -1):
        text.set_text(_lines(whole, letters))
        if _length(text) <= room:
            break
    return text.get_text() != said


def _length(text: Text) -> float:
    """Pixels along its lines."""
    box = text.get_window_extent()
    return float(box.height if text.get_rotation() in (90, "vertical") else box.width)


def _lines(text: str, letters: int) -> str:
    """Lines of so many letters at most; what stands together stays together."""
    lines = [textwrap.wrap(line, letters, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")]
    return "\n".join(part for line in lines for part in line).replace("\0", " ")


def _thinned(axis: Axis, k: int) -> bool:
    """Leave out every other number of an axis until none touches the next in direction k; whether any went."""
    went = False
    while not isinstance(axis.get_major_locator(), FixedLocator) or went:
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        boxes = [tick.label1.get_window_extent() for tick in axis.get_major_ticks() if tick.label1.get_text()]
        if len(ticks) < 4 or not any(_touch(*pair, k) for pair in pairwise(boxes)):
            break
        zero = ticks.index(0.0) % 2 if 0.0 in ticks else 0
        formatter = axis.get_major_formatter()
        axis.set_major_locator(FixedLocator(ticks[zero::2]))
        axis.set_major_formatter(formatter)
        went = True
    return went


def _touch(one: Bbox, other: Bbox, k: int) -> bool:
    """Whether two boxes, the second one further on, overlap in this direction."""
    return bool(one.width and other.width and one.max[k] > other.min[k])


def _off_marks(axes: Axes) -> bool:
    """Hang a legend below its panel if it lies upon marks of the data; whether it was moved."""
    legend = axes.get_legend()
    assert isinstance(legend, Legend)
    box = legend.get_window_extent()
    if not any(box.contains(*point) for point in _marks(axes)):
        return False
    hung(legend, axes)
    return True


def _marks(axes: Axes) -> np.ndarray:
    """Places of the marks of the data, in pixels."""
    marked = [
        line for line in axes.lines if line.get_marker() not in UNMARKED and line.get_transform() == axes.transData
    ]
    found = [axes.transData.transform(line.get_xydata()) for line in marked]
    clouds = [one for one in axes.collections if isinstance(one, PathCollection)]
    found += [one.get_offset_transform().transform(one.get_offsets()) for one in clouds]
    points = np.concatenate([np.zeros((0, 2)), *(np.asarray(one, float) for one in found)])
    return points[np.isfinite(points).all(1)]


def _placed(axes: Axes) -> None:
    """Every name at the nearest place where it covers the fewest marks and texts."""
    names = [text for text in axes.texts if isinstance(text, Beside)]
    marks, legend = _marks(axes), axes.get_legend()
    taken = [legend.get_window_extent()] if legend else []
    for name in names:
        best = min(PLACES, key=lambda place: (_cost(axes, name, place, marks, taken), PLACES.index(place)))
        _move(name, best)
        taken.append(name.get_window_extent())


def _move(name: Beside, place: tuple[float, float]) -> None:
    x, y = place
    name.set_horizontalalignment("left" if x > 0 else "right" if x < 0 else "center")
    name.set_verticalalignment("bottom" if y > 0 else "top" if y < 0 else "center")
    name.xyann = (PAD * x, PAD * y)


def _cost(axes: Axes, name: Beside, place: tuple[float, float], marks: np.ndarray, taken: list[Bbox]) -> int:
    _move(name, place)
    box = name.get_window_extent()
    inside = axes.get_window_extent().padded(PAD)
    covered = sum(box.contains(*point) for point in marks) + sum(box.overlaps(other) for other in taken)
    return 2 * covered + (not (inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1)))
