"""The sheet that a figure is drawn on: panels of its own, or axes that somebody gave; saved as it was drawn."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.gridspec import SubplotSpec
from matplotlib.legend import Legend
from matplotlib.transforms import ScaledTranslation

from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.figure.look import WIDTH, page, style

EDGE, LEADING = 0.06, 1.25
"""Inches that a legend stays away from the edges; a line of text over its size."""


class Sheet(Figure):
    """A figure that knows its panels and the settings that it was drawn with; without a window, without pyplot.

    Where `look.counted` gives it axes, `subplots` hands these out, in order; what is not of a panel (a title above
    all, a colour bar) is then left out, and a legend of the whole goes into the first panel.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(self)
        rc: Any = matplotlib.rcParams
        self.settings = {key: rc[key] for key in rc if key != "backend"}  # naming one would start it
        self.panels: list[Axes] = []
        here = page()
        mine = here.made is not None and len(here.made) == here.turn
        self.given = list(here.axes) if here.axes and mine else None
        if here.made is not None:
            here.made.append(self)

    def subplots(self, nrows: int = 1, ncols: int = 1, **how: Any) -> Any:
        """Like Figure.subplots."""
        heights, widths = how.pop("height_ratios", None), how.pop("width_ratios", None)
        return self._filled(self.add_gridspec(nrows, ncols, height_ratios=heights, width_ratios=widths), how)

    def parts(self, height_ratios: Sequence[float]) -> list["Part"]:
        """Parts one below the other, each with panels of its own."""
        grid = self.add_gridspec(len(height_ratios), 1, height_ratios=list(height_ratios))
        return [Part(self, grid[i]) for i in range(len(height_ratios))]

    def _filled(self, grid: Any, how: dict[str, Any]) -> Any:
        squeeze = how.pop("squeeze", True)
        made = grid.subplots(squeeze=False, **how)
        if self.given is not None:
            taken = self.given[: made.size]
            if len(taken) < made.size:
                raise InputError("ax", f"{len(self.panels) + len(taken)} axes", "too few: the figure has more panels")
            self.given = self.given[made.size :]
            old, made = made, made.copy()
            made.flat = [own if axes is None else axes for own, axes in zip(old.flat, taken, strict=True)]
            self._share(old, made)
        self.panels += list(made.flat)
        if not squeeze:
            return made
        return made.item() if made.size == 1 else made.squeeze()

    @staticmethod
    def _share(old: np.ndarray, made: np.ndarray) -> None:
        """Axes that would have shared limits share them."""
        for before, axes in zip(old.flat, made.flat, strict=True):
            for first, other in zip(old.flat, made.flat, strict=True):
                if other is axes:
                    break
                if before.get_shared_x_axes().joined(before, first):
                    _join(axes.get_shared_x_axes(), axes, axes.sharex, other)
                if before.get_shared_y_axes().joined(before, first):
                    _join(axes.get_shared_y_axes(), axes, axes.sharey, other)

    def legend(self, *parts: Any, ncols: int = 1, **how: Any) -> Legend:
        """Like Figure.legend, in as many columns, of `ncols`, as there is room for."""
        if self.given is not None:
            first = next(axes for axes in self.panels if axes.get_figure() is not self)
            how.pop("loc", None)
            if not parts and "handles" not in how:
                parts = first.get_legend_handles_labels()
            return first.legend(*parts, **how)
        room = (page().width or self.get_figwidth()) - 2 * EDGE
        for n in range(ncols, 0, -1):
            found: Legend = super().legend(*parts, ncols=n, **how)
            if n == 1 or found.get_window_extent(self.canvas.get_renderer()).width <= room * self.dpi:  # type: ignore[attr-defined]
                break
            found.remove()
        return found

    def colorbar(self, mappable: Any, *parts: Any, **how: Any) -> Any:
        """Like Figure.colorbar; none beside axes that were given."""
        return None if self.given is not None else super().colorbar(mappable, *parts, **how)

    def savefig(self, fname: Any, **how: Any) -> None:
        """Like Figure.savefig, with the settings that the figure was drawn with: fonts stay text in a PDF."""
        with style(), matplotlib.rc_context(self.settings):
            super().savefig(fname, **how)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from subtheory.figure.saving import drawn

        return drawn(self, "png")


def _join(known: Any, axes: Axes, share: Callable[[Axes], None], other: Axes) -> None:
    """Share limits with another one, unless the axes share some already, which cannot be undone."""
    if len(known.get_siblings(axes)) == 1:
        share(other)


class Part:
    """A part of a sheet."""

    def __init__(self, sheet: Sheet, place: SubplotSpec) -> None:
        self.sheet, self.place = sheet, place

    def subplots(self, nrows: int = 1, ncols: int = 1, **how: Any) -> Any:
        """Panels of this part."""
        heights, widths = how.pop("height_ratios", None), how.pop("width_ratios", None)
        grid = self.place.subgridspec(nrows, ncols, height_ratios=heights, width_ratios=widths)
        return self.sheet._filled(grid, how)


def sheet(height: float = 2.6, width: float = WIDTH) -> Sheet:
    """An empty sheet. Call it inside `style`."""
    return Sheet(width, height)


def blank(columns: int = 1, height: float = 2.6, width: float = WIDTH) -> Sheet:
    """A sheet of `columns` panels side by side. Call it inside `style`."""
    figure = sheet(height, width)
    figure.subplots(1, columns)
    return figure


def panels(figure: Figure) -> list[Axes]:
    """The axes that show something: no colour bars, and none that only hold a legend's place."""
    known = figure.panels if isinstance(figure, Sheet) else figure.axes
    return [axes for axes in known if axes.axison]


def below(axes: Axes, **how: Any) -> Legend:
    """A legend below the label of the x-axis, however high the panel is. Call it inside `style`."""
    return hung(axes.legend(**how), axes)


def hung(legend: Legend, axes: Axes) -> Legend:
    """The legend moved below the label of the x-axis."""
    settings: Any = matplotlib.rcParams
    texts = [FontProperties(size=settings[key]).get_size_in_points() for key in ("xtick.labelsize", "axes.labelsize")]
    rows = [1 + name.count("\n") for name in _names(axes)]
    points = texts[0] * max(rows, default=1) + texts[1] * (1 + axes.get_xlabel().count("\n"))
    points += sum(settings[key] for key in ("xtick.major.size", "xtick.major.pad", "axes.labelpad"))
    shift = ScaledTranslation(0, -LEADING * points / 72, axes.get_figure(root=True).dpi_scale_trans)  # type: ignore[union-attr]
    legend.set_loc("upper center")
    legend.set_bbox_to_anchor((0.5, 0), transform=axes.transAxes + shift)
    return legend


def _names(axes: Axes) -> list[str]:
    """Of ticks."""
    return [tick.get_text() for tick in axes.get_xticklabels()]


def axes_of(ax: Any = None, height: float = 2.6) -> Any:
    """The axes that somebody draws on, or new ones of pyplot's, which a notebook shows. Call it inside `style`.

    Raises InputError on "ax" for what is none of matplotlib's.
    """
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(figsize=(WIDTH, height), layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise InputError("ax", shown(ax), "must be axes of matplotlib")
    return ax
