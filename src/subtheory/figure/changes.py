"""What an author changes of a figure that is drawn: titles, labels, limits, names, colours, or all panels but one."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from matplotlib import colors, mathtext
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator

from subtheory.arguments import number, positive, shown, whole
from subtheory.errors import InputError
from subtheory.figure.layout import alone
from subtheory.figure.look import COLOURS, style
from subtheory.figure.sheet import panels
from subtheory.suggest import choose

PANELS, NAMES, ARROW = "|", ";", "->"
"""In a text: between the values of several panels, between names, and from an old name to the new one."""

LONGEST, TALLEST = 300, 20.0
"""Letters of a text, and inches of a figure."""

Painted = dict[tuple[float, ...], tuple[float, ...]]
Texts = tuple[str | None, ...]
Limits = tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class Changes:
    """What is given changes, everything else stays. Of `title`, `xlabel`, `ylabel`, `xlim` and `ylim` one value is for
    every panel (a title: for the whole), several are for one panel each; None leaves it as it is."""

    title: Texts = ()
    xlabel: Texts = ()
    ylabel: Texts = ()
    xlim: Limits = ()
    ylim: Limits = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    colours: tuple[str, ...] = ()
    panel: int | None = None
    height: float | None = None


NONE = Changes()


def of(given: Mapping[str, Any], colours: Sequence[str] = ()) -> Changes:
    """Read from values, or from texts as the command line has them: "A|B", "0,1", "old -> new; other -> another".

    The `colours` are those of a style, for where none are given.

    Raises InputError, naming the key and the value, for what is unknown or cannot be drawn.
    """
    for key in given:
        choose("set", key, dict.fromkeys(one.name for one in fields(Changes)))
    found: dict[str, Any] = {key: _READ[key](key, value) for key, value in given.items() if value is not None}
    return Changes(**{"colours": tuple(colours), **found})


def _each(key: str, value: Any) -> list[Any]:
    """One a panel; what is empty leaves the panel as it is."""
    if isinstance(value, str):
        value = [part.strip() or None for part in value.split(PANELS)] if PANELS in value else [value]
    return list(value) if isinstance(value, list | tuple) else [value]


def _texts(key: str, value: Any) -> Texts:
    return tuple(None if one is None else _text(key, one) for one in _each(key, value))


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or not all(c.isprintable() or c == "\n" for c in value):
        raise InputError(key, shown(value), f"must be text of at most {LONGEST} letters")
    if value.count("$") > 1:
        try:
            mathtext.MathTextParser("path").parse(value)
        except ValueError:
            raise InputError(key, shown(value), "must be mathematics that matplotlib can set between its $") from None
    return value


def _limits(key: str, value: Any) -> Limits:
    if not isinstance(value, str) and np.ndim(value) == 1:
        value = [value]  # one pair
    return tuple(None if one is None else _pair(key, one) for one in _each(key, value))


def _pair(key: str, value: Any) -> tuple[float, float]:
    parts = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
    found = [_number(part) for part in parts]
    if len(found) != 2 or not all(math.isfinite(one) for one in found) or found[0] == found[1]:
        raise InputError(key, shown(value), "must be two different numbers, such as 0,1")
    return found[0], found[1]


def _number(value: Any) -> float:
    try:
        found = float(value) if isinstance(value, str) else number(value)
    except ValueError:
        found = None
    return math.nan if found is None else found


def _names(key: str, value: Any) -> dict[str, str]:
    pairs = value
    if isinstance(value, str):
        parts = [one.partition(ARROW) for one in value.split(NAMES) if one.strip()]
        if not all(arrow and old.strip() for old, arrow, _ in parts):
            raise InputError(key, shown(value), f"must be OLD {ARROW} NEW, with {NAMES} between several")
        pairs = {old.strip(): new.strip() for old, _, new in parts}
    if not isinstance(pairs, Mapping):
        raise InputError(key, shown(value), "must be new names by old ones")
    return {_text(key, old): _text(key, new) for old, new in pairs.items()}


def _colours(key: str, value: Any) -> tuple[str, ...]:
    given = [one.strip() for one in value.split(",")] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not given:
        raise InputError(key, shown(value), "must be colours, such as #0072B2,black")
    for one in given:
        if not colors.is_color_like(one):
            raise InputError(key, shown(one), "must be a colour of matplotlib, such as #0072B2 or black")
    return tuple(colors.to_hex(one) for one in given)


def _whole(key: str, value: Any) -> int:
    return whole(key, int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 9 else value)


def _inches(key: str, value: Any) -> float:
    found = positive(key, _number(value) if isinstance(value, str) else value)
    if found > TALLEST:
        raise InputError(key, shown(value), f"must be at most {TALLEST:g} inches")
    return found


_READ: dict[str, Callable[[str, Any], Any]] = {
    "title": _texts,
    "xlabel": _texts,
    "ylabel": _texts,
    "xlim": _limits,
    "ylim": _limits,
    "labels": _names,
    "colours": _colours,
    "panel": _whole,
    "height": _inches,
}


def changed(figure: Figure, changes: Changes) -> Figure:
    """The figure with the changes. Raises InputError where it has no such panel or name, or an axis no such limits.

    In axes that were given, a panel was chosen before, and a title of the whole stands above the first.
    """
    with style():
        return _changed(figure, changes, getattr(figure, "given", None) is None)


def _changed(figure: Figure, changes: Changes, own: bool) -> Figure:
    if changes.panel is not None and own:
        if not 1 <= changes.panel <= len(panels(figure)):
            raise InputError("panel", changes.panel, f"must be from 1 to {len(panels(figure))}")
        alone(figure, panels(figure)[changes.panel - 1])
    rename(figure, changes.labels)
    there = panels(figure)
    if len(changes.title) == 1 and len(there) > 1:
        if changes.title[0] is not None and own:
            figure.suptitle(changes.title[0], x=0.01, ha="left")
        elif changes.title[0] is not None:
            there[0].set_title(changes.title[0])
    else:
        _given(there, "title", changes.title, lambda axes, text: axes.set_title(text))
    _given(there, "xlabel", changes.xlabel, lambda axes, text: axes.set_xlabel(text))
    _given(there, "ylabel", changes.ylabel, lambda axes, text: axes.set_ylabel(text))
    _given(there, "xlim", changes.xlim, lambda axes, ends: axes.set_xlim(_allowed("xlim", axes.get_xscale(), ends)))
    _given(there, "ylim", changes.ylim, lambda axes, ends: axes.set_ylim(_allowed("ylim", axes.get_yscale(), ends)))
    for axes in there if changes.xlim or changes.ylim else ():
        _without_strays(axes)
    if changes.height is not None and own:
        figure.set_figheight(changes.height)
    recolour(figure, changes.colours)
    return figure


def caption(text: str, changes: Changes) -> str:
    """What remains true of a caption if one panel is drawn alone: what it says of that letter, or the whole of it."""
    if changes.panel is None:
        return text
    head, *parts = re.split(r"\(([a-z])\) ", text)
    said = {letter: words.strip() for letter, words in zip(parts[::2], parts[1::2], strict=True)}
    letter = chr(ord("a") + changes.panel - 1)
    if letter in said and list(said) == [chr(ord("a") + i) for i in range(len(said))]:
        return f"{head}{said[letter].rstrip(';,')}"
    return f"Panel {changes.panel} of: {text}"


def _given(there: Sequence[Axes], key: str, values: Sequence[Any], change: Any) -> None:
    if len(values) > 1 and len(values) != len(there):
        raise InputError(key, PANELS.join(map(str, values)), f"must be one, or one for each of {len(there)} panels")
    for axes, value in zip(there, list(values) * len(there) if len(values) == 1 else values, strict=False):
        if value is not None:
            change(axes, value)


def _allowed(key: str, scale: str, ends: tuple[float, float]) -> tuple[float, float]:
    if scale == "log" and min(ends) <= 0:
        raise InputError(key, f"{ends[0]:g},{ends[1]:g}", "must be positive on a logarithmic axis")
    return ends


def _without_strays(axes: Axes) -> None:
    """What is written at a place that is no longer seen goes with it."""
    for text in axes.texts:
        inside = axes.viewLim.count_contains([text.get_unitless_position()])
        if text.get_transform() is axes.transData and not inside:
            text.set_visible(False)


def _artists(figure: Figure, kind: Any) -> list[Any]:
    """Of the figure, or of the axes that were given to it."""
    roots: list[Any] = [figure] if getattr(figure, "given", None) is None else panels(figure)
    return [one for root in roots for one in root.findobj(kind)]


def texts(figure: Figure) -> dict[str, list[Text]]:
    """All texts that are seen, by what they say; those of ticks that have names of their own among them."""
    found: dict[str, list[Text]] = {}
    for text in _artists(figure, Text):
        if text.get_text().strip() and text.get_visible():
            found.setdefault(text.get_text(), []).append(text)
    return found


def rename(figure: Figure, labels: Mapping[str, str]) -> None:
    """Every text that is an old label becomes the new one: of legends, ticks with names, titles and marks."""
    if not labels:
        return
    for axes in panels(figure):
        for axis in (axes.xaxis, axes.yaxis):
            _named_ticks(axis, labels)
    known = texts(figure)
    ticks = {str(name) for axes in panels(figure) for axis in (axes.xaxis, axes.yaxis) for name in _ticks(axis)}
    for old, new in labels.items():
        if old not in known and new not in ticks:
            choose("labels", old, known | dict.fromkeys(ticks))
        for text in known.get(old, []):
            text.set_text(new)


def _ticks(axis: Axis) -> list[str]:
    """Of ticks at fixed places, what stands there."""
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return []
    return axis.get_major_formatter().format_ticks(list(axis.get_majorticklocs()))


def _named_ticks(axis: Axis, labels: Mapping[str, str]) -> None:
    names = _ticks(axis)
    if set(names) & set(labels):
        locator = FixedLocator(list(axis.get_majorticklocs()))
        axis.set_major_locator(locator)
        axis.set_major_formatter(FixedFormatter([labels.get(name, name) for name in names]))


def recolour(figure: Figure, colours: Sequence[str]) -> None:
    """The i-th of `COLOURS` becomes the i-th of these, as opaque as it was; what has another colour keeps it."""
    if not colours:
        return
    new: Painted = {colors.to_rgb(old): colors.to_rgb(one) for old, one in zip(COLOURS, colours, strict=False)}
    for artist in _artists(figure, lambda one: isinstance(one, Line2D | Patch | Collection | Text)):
        _painted(artist, new)


def _painted(artist: Artist, new: Painted) -> None:
    kinds = ("edgecolor", "facecolor", "hatchcolor") if isinstance(artist, Patch | Collection) else (
        "color", "markerfacecolor", "markeredgecolor") if isinstance(artist, Line2D) else ("color",)  # fmt: skip
    for kind in kinds:
        if not hasattr(artist, f"get_{kind}"):
            continue  # hatches have colours of their own from matplotlib 3.11 on
        old = getattr(artist, f"get_{kind}")()
        if isinstance(old, str) and old.lower() in ("none", "auto"):
            continue
        every = colors.to_rgba_array(old)
        fresh = np.array([[*new.get(tuple(one[:3]), one[:3]), one[3]] for one in every]).reshape(every.shape)
        if not np.array_equal(every, fresh):
            one = isinstance(artist, Collection)
            getattr(artist, f"set_{kind}")(fresh if one else tuple(fresh[0]))
