"""A drawn figure made to fit: one panel alone, all below each other in a column, the width and height of a page."""

import math
import warnings
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text

from subtheory.errors import InputError
from subtheory.figure.labels import settled
from subtheory.figure.look import LEAST, TEXTS, page, style
from subtheory.figure.sheet import panels

LEADING = 1.2
"""Of a line over the size of its text."""
LETTER = 0.47
"""Mean width of a letter over the size of its text."""
CAPTION = 10.0
"""Points of a caption."""
AROUND, LOWEST = 0.62, 1.0
"""Inches that ticks, labels and title of a panel take up beside it, and the least height of a panel itself."""
LINES = 2.0
"""Of text, that a panel is high at least."""


class Unfit(InputError):
    """A figure of more panels than there is room for."""


def room(caption: str, width: float) -> float:
    """Inches that a caption takes up below a figure of that width, with what stands around it."""
    lines = math.ceil(len(caption) * CAPTION * LETTER / 72 / width)
    return (lines + 2) * CAPTION * LEADING / 72


def fitted(figure: Figure, caption: str = "") -> Figure:
    """The figure as wide as the venue's text or column, and no taller than leaves room for its caption on a page.

    It keeps its proportions; in one column of several its panels stand below each other. Text that had a size of its
    own is rescaled. Raises Unfit where there are more panels than a page or a column holds.
    """
    here = page()
    if here.venue is None or here.width is None:
        with style():
            return settled(figure)
    tallest = here.venue.height - (room(caption, here.width) if here.venue.captions else 0.0)
    width, height = figure.get_size_inches()
    with style():
        _texts(figure)
        if here.single and len(panels(figure)) > 1:
            stack(figure, here.width, tallest)
        else:
            grown = 1.0 if here.single else here.width / width
            figure.set_size_inches(here.width, min(height * grown, tallest))
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "constrained_layout not applied")
            try:
                return _not_too_low(settled(figure))
            except UserWarning:
                raise _too_many(figure) from None


def _not_too_low(figure: Figure) -> Figure:
    """Raises Unfit where a panel is not as high as some lines of text, as on a slide of many."""
    settings: Any = matplotlib.rcParams
    least = LINES * settings["axes.labelsize"] * figure.dpi / 72
    there = panels(figure)
    if min(axes.get_window_extent().height for axes in there) < least:
        raise _too_many(figure)
    return figure


def _too_many(figure: Figure) -> Unfit:
    why = "must have no more panels, with their texts, than a page of it holds (choose one: panel=1)"
    return Unfit("venue", f"{len(panels(figure))} panels", why)


def _texts(figure: Figure) -> None:
    """At the venue's sizes; called inside `style`."""
    venue = page().venue
    assert venue
    settings: dict[Any, Any] = dict(matplotlib.rcParams)
    sizes = [settings[key] for key in TEXTS if not isinstance(settings[key], str)]
    sizes += [settings["font.size"] * scale for scale in font_manager.font_scalings.values()]
    for text in figure.findobj(Text):
        size = float(text.get_fontsize())
        own = not any(math.isclose(size, known) for known in sizes)
        text.set_fontsize(venue.points(size) if own else max(LEAST, min(size, venue.most)))


def inherit(figure: Figure) -> None:
    """Every panel shows the ticks and labels that it left to a panel which shares its limits."""
    there = panels(figure)
    for axes in there:
        axes.get_xlim(), axes.get_ylim()  # limits of data that are not looked at yet
    for axes in there:
        for other in there:
            if other is axes:
                continue
            if axes.get_shared_y_axes().joined(axes, other):
                axes.tick_params(labelleft=True)
                if not axes.get_ylabel() and _row(axes) == _row(other):
                    axes.set_ylabel(other.get_ylabel())
            if axes.get_shared_x_axes().joined(axes, other):
                axes.tick_params(labelbottom=True)
                if not axes.get_xlabel() and _column(axes) == _column(other):
                    axes.set_xlabel(other.get_xlabel())


def _row(axes: Axes) -> Any:
    place = axes.get_subplotspec()
    return place and (id(place.get_gridspec()), place.rowspan.start)


def _column(axes: Axes) -> Any:
    place = axes.get_subplotspec()
    return place and (id(place.get_gridspec()), place.colspan.start)


def alone(figure: Figure, axes: Axes) -> None:
    """This panel of the figure, and no other, with legends of the whole and a height of its own."""
    inherit(figure)
    figure.draw_without_rendering()
    height, own = figure.get_figheight(), axes.get_position().height
    rows = {round(one.get_position().y0, 2): one.get_position().height for one in panels(figure)}
    _keep(figure, [axes])
    axes.set_subplotspec(GridSpec(1, 1, figure=figure)[0])
    between = AROUND * (len(rows) - 1)
    figure.set_figheight(max(1.8, height * (1 - sum(rows.values()) + own) - between))


def _keep(figure: Figure, wanted: list[Axes]) -> None:
    """Remove what belongs to no panel of these."""
    bars = [one.colorbar.ax for axes in wanted for one in (*axes.images, *axes.collections) if one.colorbar]
    for axes in list(figure.axes):
        if axes not in wanted and axes not in bars:
            axes.remove()
    known = getattr(figure, "panels", None)
    if known is not None:
        known[:] = wanted


def _around(axes: Axes) -> float:
    """Inches above and below a panel, with a legend that hangs there."""
    box = axes.get_tightbbox()
    assert box
    return float(box.height - axes.get_window_extent().height) / axes.get_figure(root=True).dpi  # type: ignore[union-attr]


def stack(figure: Figure, width: float, tallest: float) -> None:
    """Panels below each other in that width, as high as they were where the page allows it."""
    inherit(figure)
    figure.draw_without_rendering()
    height, there = figure.get_figheight(), panels(figure)
    heights = [max(LOWEST, axes.get_position().height * height) for axes in there]
    legends = sum(one.get_window_extent().height / figure.dpi + 0.1 for one in figure.legends)
    beside = sum(max(AROUND, _around(axes)) for axes in there) + legends
    scale = min(1.0, (tallest - beside) / sum(heights))
    if scale * min(heights) < 0.8 * LOWEST:
        raise Unfit(
            "single-column", f"{len(there)} panels", "must be no more than a column holds (choose one: panel=1)"
        )
    _keep(figure, there)
    grid = GridSpec(len(there), 1, figure=figure, height_ratios=heights)
    for i, axes in enumerate(there):
        axes.set_subplotspec(grid[i])
    figure.set_size_inches(width, scale * sum(heights) + beside)
