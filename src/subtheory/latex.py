"""LaTeX that any engine reads: text escaped, symbols spelt out, figures and numbers."""

import math
import re

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    c: "\\" + c for c in "&%$#_{}"
}
_SIGNS = ("✓ ", "✗ ", "○ ", "? ")
"""What stands before a verdict."""

_GREEK = (
    "alpha beta gamma delta . zeta eta . iota kappa lambda mu nu xi . pi rho . sigma tau upsilon varphi chi psi omega"
)
_MATHS = (
    {chr(0x3B1 + i): "\\" + name for i, name in enumerate(_GREEK.split()) if name != "."}
    | {"ε": r"\varepsilon", "θ": r"\theta", "Γ": r"\Gamma", "Δ": r"\Delta", "Θ": r"\Theta", "Λ": r"\Lambda"}
    | {"Π": r"\Pi", "Σ": r"\Sigma", "Φ": r"\Phi", "Ψ": r"\Psi", "Ω": r"\Omega"}
    | {"±": r"\pm", "×": r"\times", "·": r"\cdot", "÷": r"\div", "√": r"\surd", "∞": r"\infty", "−": "-"}
    | {
        "≤": r"\le",
        "≥": r"\ge",
        "≪": r"\ll",
        "≫": r"\gg",
        "≈": r"\approx",
        "≠": r"\ne",
        "≡": r"\equiv",
        "∝": r"\propto",
    }
    | {"→": r"\to", "←": r"\leftarrow", "↔": r"\leftrightarrow", "⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow"}
    | {"↦": r"\mapsto", "∈": r"\in", "∀": r"\forall", "∃": r"\exists", "∂": r"\partial", "∇": r"\nabla", "∫": r"\int"}
    | {"‖": r"\|", "⟨": r"\langle", "⟩": r"\rangle", "ℓ": r"\ell", "′": "'", "″": "''", "⪰": r"\succeq", "°": r"^\circ"}
    | {"½": r"\frac12", "⅒": r"\frac1{10}", "¼": r"\frac14", "ᵀ": r"^\top", "⁻": "^-", "₋": "_-", "⁺": "^+", "₊": "_+"}
    | {c: f"^{i}" for i, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {c: f"_{i}" for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}
    | {c: c for c in "<>|"}
    | {"ᴺ": "^N", "ᵗ": "^t", "ᵏ": "^k", "ˢ": "^s", "ᵢ": "_i", "⅛": r"\frac18", "≻": r"\succ"}
    | {"●": r"\bullet", "○": r"\circ", "△": r"\triangle", "□": r"\Box", "✓": r"\checkmark"}
)
"""Symbols that pages, claims and captions use, for engines that know no Unicode mathematics."""

_ACCENTS = {"\u0302": r"\hat", "\u0304": r"\bar"}
"""Combining characters, behind the letter that they stand on."""


def escape(text: str) -> str:
    """Escape what LaTeX reads as a command, spell symbols out, and drop a verdict's sign."""
    text = text[2:] if text.startswith(_SIGNS) else text
    return "".join(map(_symbol, re.findall(f".[{''.join(_ACCENTS)}]?", text, re.DOTALL)))


def _symbol(c: str) -> str:
    """A character, or one with an accent on it."""
    if c[1:]:
        return rf"\ensuremath{{{_ACCENTS[c[1]]}{{{_MATHS.get(c[0], c[0])}}}}}"
    return _SPECIAL.get(c) or (rf"\ensuremath{{{_MATHS[c]}}}" if c in _MATHS else c)


def number(value: float, digits: int) -> str:
    """A number with so many significant digits, as mathematics."""
    if not math.isfinite(value):
        return "--" if math.isnan(value) else rf"\ensuremath{{{'-' * (value < 0)}\infty}}"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    text = mantissa + (rf"\times10^{{{int(exponent)}}}" if exponent else "")
    return text if text.isdigit() else rf"\ensuremath{{{text}}}"


def uncertain(value: float, error: float) -> str:
    """A number with its uncertainty in the last digits, as mathematics: 1.98 ± 0.03 is 1.98(3), 1.98 ± 0.012 1.980(12).

    The uncertainty has one digit, or two if the first is a 1. A number without one, or with one
    of a few roundings, has five digits; so has one that is not finite.
    """
    if not (math.isfinite(value) and math.isfinite(error) and error > 1e-14 * abs(value)):
        return number(value, 5)
    scale = math.floor(math.log10(max(abs(value), error)))
    scale = 0 if -4 <= scale < 5 else scale
    mantissa, off = value / 10.0**scale, error / 10.0**scale
    first, _, exponent = f"{off:.0e}".partition("e")
    decimals = min(15, max(0, (first == "1") - int(exponent)))
    text = f"{mantissa:.{decimals}f}({off * 10**decimals:.0f})"
    power = rf"\times10^{{{scale}}}" if scale else ""
    return rf"\ensuremath{{{text}{power}}}"


MACROS = {
    "holds": r"\ensuremath{\surd}~holds",
    "fails": r"\ensuremath{\times}~\textbf{fails}",
    "vacuous": r"\ensuremath{\circ}~vacuous",
    "undecided": r"?~undecided",
}
"""How a verdict is set; a document that defines \\verdictholds and the like itself has its own way."""


def verdict(name: str) -> str:
    """The macro of a verdict."""
    return rf"\verdict{name}{{}}"


def definitions() -> str:
    """The macros of the verdicts, unless the document has them."""
    return "".join(rf"\providecommand{{\verdict{name}}}{{{text}}}" + "\n" for name, text in MACROS.items())


class Raw(str):
    """Text that is LaTeX already."""

    __slots__ = ()


def figure(file: str, caption: str, label: str, wide: bool = False) -> str:
    """A figure environment, over all columns if `wide`; the caption is escaped."""
    environment = "figure*" if wide else "figure"
    lines = [
        rf"\begin{{{environment}}}[t]",
        r"\centering",
        rf"\includegraphics[width=\textwidth]{{{file}}}",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{{label}}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"
