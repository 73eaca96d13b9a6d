"""Style files of matplotlib: read up to a size, every setting judged by matplotlib itself, nothing run."""

import ast
import re
import warnings
from pathlib import Path
from typing import Any

from cycler import Cycler
from matplotlib import RcParams, colors
from matplotlib.rcsetup import cycler  # which judges what it is given

from subtheory import files
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.suggest import choose

MOST = 64 * 1024
"""Bytes of a style file: matplotlib's own list of all settings, with what each means, has 45,000."""

CYCLE = "axes.prop_cycle"

UNUSED = re.compile(
    r"(backend|backend_fallback|figure\.hooks|interactive|toolbar|timezone|figure\.(figsize|dpi|max_open_warning|autolayout)"
    r"|figure\.(constrained_layout|raise_window)(\..*)?|(savefig|pdf|svg|ps|pgf|animation|keymap|webagg|tk|macosx|date\.epoch|agg)(\..*)?"
    r"|text\.latex\.(preamble|engine)|docstring\.hardcopy)"
)
"""What a style file may say and is not taken from it: windows, programs, sizes, and what makes equal bytes."""


def read(path: Path | str) -> dict[str, Any]:
    """The settings of a .mplstyle file that figures take, as matplotlib has them.

    Raises InputError on "style", with the line, for a file that cannot be read, an unknown setting, a value that
    matplotlib refuses, and for text that a LaTeX program would have to set.
    """
    try:
        text = files.read(path, MOST).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError("style", shown(str(path)), f"must be a style file ({files.reason(error)})") from None
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = _without_comment(line)
        if words:
            key, colon, value = (part.strip() for part in words.partition(":"))
            where = f"{path}, line {number}"
            if not colon:
                raise InputError("style", shown(words), f"must be NAME: VALUE ({where})")
            found |= _setting(key, value, where)
    return found


def colours(settings: dict[str, Any]) -> list[str]:
    """Those that the style's cycle has, if it has one."""
    return [colors.to_hex(one) for one in settings[CYCLE].by_key().get("color", [])] if CYCLE in settings else []


def _without_comment(line: str) -> str:
    """A # starts a comment unless it stands in quotes, or is that of a colour behind the colon."""
    kept = re.match(r"""(?:[^#"']|"[^"]*"|'[^']*')*""", line)
    return (kept[0] if kept else "").strip()


def _setting(key: str, value: str, where: str) -> dict[str, Any]:
    known: Any = RcParams()
    if UNUSED.fullmatch(key):
        return {}
    try:
        choose("style", key, dict.fromkeys(known.validate))
    except InputError as error:
        raise InputError("style", shown(key), f"{error.wanted} ({where})") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that matplotlib is about to give up
            known[key] = _cycle(value) if key == CYCLE else value.strip("\"'")
    except Exception as error:  # whatever a validator of matplotlib's, or a converter of its libraries, raises
        why = " ".join(str(error).split())
        raise InputError("style", f"{key}: {shown(value)}", f"is no setting: {why[:120]} ({where})") from None
    if key == "text.usetex" and known[key]:
        raise InputError("style", "text.usetex: true", f"would run LaTeX; mathematics is set without it ({where})")
    return {key: known[key]}


def _cycle(text: str) -> Cycler:
    """Of cycler('color', ['r', 'b']) and sums and products of such, read as data."""
    return _cycler(ast.parse(text.strip(), mode="eval").body)


def _cycler(node: ast.expr) -> Cycler:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        left, right = _cycler(node.left), _cycler(node.right)
        return left + right if isinstance(node.op, ast.Add) else left * right
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "cycler"):
        raise ValueError("must be cycler(...)")
    parts = [ast.literal_eval(one) for one in node.args]
    return cycler(*parts, **{str(one.arg): ast.literal_eval(one.value) for one in node.keywords})
