"""Figures: one look for all, drawn without global state, changed by whoever publishes them, saved beside their data."""

from subtheory.figure import captions, changes, styles
from subtheory.figure.collisions import collisions
from subtheory.figure.labels import beside
from subtheory.figure.layout import Unfit, fitted
from subtheory.figure.look import (
    COLOURS,
    DASHES,
    DEFAULTS,
    LEAST,
    MARKERS,
    STYLE,
    VENUES,
    WIDTH,
    counted,
    drawn_for,
    mark,
    style,
)
from subtheory.figure.saving import METADATA, drawn, save
from subtheory.figure.sheet import Sheet, axes_of, below, blank, panels, sheet

__all__ = [
    "COLOURS",
    "DASHES",
    "DEFAULTS",
    "LEAST",
    "MARKERS",
    "METADATA",
    "STYLE",
    "VENUES",
    "WIDTH",
    "Sheet",
    "Unfit",
    "axes_of",
    "below",
    "beside",
    "blank",
    "captions",
    "changes",
    "collisions",
    "counted",
    "drawn",
    "drawn_for",
    "fitted",
    "mark",
    "panels",
    "save",
    "sheet",
    "style",
    "styles",
]
