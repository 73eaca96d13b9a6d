"""Standard output as it is found: closed, full, or of an encoding that has no Greek."""

import codecs
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from typing import Any, TextIO

PLAIN = "subtheory.plain"
"""How a character that an encoding does not have is written: see `spelled`."""

_SPELLED = {
    "ε": "eps", "Δ": "Delta", "δ": "delta", "θ": "theta", "Θ": "Theta", "α": "alpha", "β": "beta", "η": "eta",
    "λ": "lambda", "Λ": "Lambda", "μ": "mu", "µ": "mu", "ρ": "rho", "σ": "sigma", "Σ": "sum", "φ": "phi", "Φ": "Phi",
    "ψ": "psi", "ω": "omega", "τ": "tau", "κ": "kappa", "γ": "gamma", "π": "pi", "ℓ": "l", "∇": "grad ", "∂": "d",
    "ᵀ": "^T", "⁻": "^-", "ᵖ": "^p", "½": "1/2", "⅒": "1/10", "√": "sqrt ", "‖": "||", "≤": "<=", "≥": ">=", "≠": "!=",
    "≈": "~", "∝": "~", "∞": "inf", "→": "->", "←": "<-", "↦": "|->", "⇒": "=>", "⟺": "<=>", "⟨": "<", "⟩": ">",
    "∈": "in", "∫": "int", "−": "-", "–": "-", "—": "-", "·": "*", "×": "x", "±": "+/-", "′": "'", "″": "''",
    "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "✓": "+", "✗": "x", "○": "o", "•": "*", "∘": "o",
    "Π": "Pi", "\u0302": "-hat", "\u0304": "-bar", "₋": "_-", "₊": "_+", "⁺": "^+", "≲": "<~", "≻": ">", "χ": "chi",
}  # fmt: skip


SCREEN = threading.RLock()
"""Held by whoever draws on standard error, and by an interrupt until the end: nothing is drawn after it."""

KEPT: list[Callable[[], str]] = []
"""What an interrupted command says of its work that is kept; of one that says nothing, nothing is."""


def interrupted() -> str:
    """The one line of an interrupt."""
    return ": ".join(["interrupted", *(said() for said in KEPT)])


def spelled(text: str) -> str:
    """A text in ASCII: Greek by name, signs by others, letters without their accents."""
    if text.isascii():
        return text
    return "".join(letter if letter.isascii() else _letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter in _SPELLED:
        return _SPELLED[letter]
    name = unicodedata.name(letter, "")
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    raised = "^" if name.startswith(("SUPERSCRIPT", "MODIFIER LETTER")) else ""
    lowered = "_" if "SUBSCRIPT" in name else ""
    return f"{raised}{lowered}{plain}" if plain else "?"


def _plain(error: UnicodeError) -> tuple[str, int]:
    """The handler of encoding errors that spells what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spelled(error.object[error.start : error.end]), error.end


def prepare() -> None:
    """Make standard streams that can be written to: no closed one, and no character that ends a command."""
    KEPT.clear()
    codecs.register_error(PLAIN, _plain)
    _occupy()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, it stays open
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=PLAIN)


def _occupy() -> None:
    """Open what is closed of the descriptors 0, 1 and 2: a file of ours would get its number, and others' output."""
    number = os.open(os.devnull, os.O_RDWR)
    while number <= 2:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)


def takes(text: str, stream: TextIO | None = None) -> bool:
    """Whether standard output, or a stream, can show a text as it is."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def fitting(value: Any, stream: TextIO | None = None) -> Any:
    """A cell or line as standard output, or a stream, can show it: spelled out if need be; columns stay columns."""
    return value if not isinstance(value, str) or takes(value, stream) else spelled(value)


def moves(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which a line can be written again."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def line(text: object) -> str:
    """One line that moves no cursor: what cannot be printed is written as Python writes it."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in " ".join(str(text).split()))


def abandon() -> None:
    """Let nothing more be written to standard output, which is full or whose reader has gone."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
