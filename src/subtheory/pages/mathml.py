"""Formulas as a browser sets them: the theory's linear notation, such as D(ε) = ε ΔᵀGΔ + O(ε²), as MathML.

Nothing is moved or dropped: a / stays on the line, and words between formulas stay words. A formula comes in pieces,
between which a narrow page breaks it: browsers break no line inside a `<math>`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    "arg cos det diag exp inf ln log max mean min rank relu round sign sin softmax sup sym tr AUROC KL Var"
)
NAMES = _words("NNGP NTK JVP GGN NTKs")
SHORT = _words("an as at be by do if in is it no of on or so to up we")
"""Words of two letters; any other two letters are a product."""
CONNECTIVES = _words("and are at below beyond for from has if in is like of on or over that the then to with")
"""What an `a` before them is no article of: there it is a letter of the formula."""

BOTH = _words("mean rank round sign")
"""Functions that are words of the sentence where no argument follows."""
_OF_WORDS = re.compile(r" [a-z]{2,}|[.,;:]|$")

RELATIONS = "=<>≤≥≪≫≈≠≡∝∈≻⪰→←↔⇒⇔↦"
OPERATORS = f"{RELATIONS}+−±×·÷"
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵀᴺᵗᵏˢⁿᵖᵐ", "0123456789+−()TNtksnpm", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖ", "0123456789+−ijk", strict=True))
ACCENTS = {"\u0302": "^", "\u0304": "¯", "\u0303": "~"}
"""Combining characters, behind the letter that they stand on, as operators over it."""
PRIMES = "′″‴"
OPEN, CLOSE = "([{⟨", ")]}⟩"
LONGEST = 32
"""Characters of a bracket that no line is broken in."""
ALONE = 4
"""Characters that stay with the operator behind them."""
THIN = Markup('<mspace width="0.2em"></mspace>')

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?)|(?P<word>[A-Za-z]+(?:-[a-z]{2,}|-[A-Z][a-z]+)*(?:'s\b)?|'s\b)|(?P<dots>\.\.\.)"
    r"|(?P<other>.)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Piece:
    """A token as markup; `kind` is word, space, operator, open, close, mark (of punctuation) or atom."""

    kind: str
    markup: Markup
    text: str
    tight: bool = False
    """A bracket around it is short: no line is broken here."""


END = Piece("word", Markup(""), "")


def math(formula: str) -> Markup:
    """A formula in the theory's linear notation as HTML: `<math>` elements, and words as they are, escaped.

    `_x`, `_{…}`, `^x`, `^(…)`, raised and lowered characters, and a digit behind a letter (θ0) become scripts, √ a
    root, accents stand on their letters. Any text is taken: what is no mathematics stays what it is.
    """
    found: list[str | Markup] = []
    inside: list[Piece] = []

    def finish(then: str = "") -> None:
        if inside:
            found.append(Markup("<math>{}</math>").format(_row(inside)))
            inside.clear()
        found.append(escape(then))

    pieces = _bracketed(list(_pieces(formula)))
    for piece, after in zip(pieces, [*pieces[1:], END], strict=False):
        if piece.kind == "word":
            finish(piece.text)
        elif piece.kind != "space":
            inside.append(piece)
        elif not inside or after.kind == "word" or _breaks(inside, after):
            finish(" ")
        elif inside[-1].kind in ("atom", "close") and after.kind in ("atom", "open") and inside[-1].text[0] != "Σ":
            inside.append(replace(piece, markup=THIN))
    finish()
    return Markup("").join(found).strip()


def _breaks(inside: Sequence[Piece], after: Piece) -> bool:
    """Whether a line may end at the blank between the two: at an operator, but behind no letter that is alone."""
    before = inside[-1]
    if before.tight or after.tight or before.kind == "operator":
        return False
    return before.kind == "mark" or (after.kind == "operator" and sum(len(one.text) for one in inside) > ALONE)


def _row(pieces: Sequence[Piece]) -> Markup:
    """The inside of one `<math>`; an operator that begins it stands where the blank before it is."""
    first = pieces[0]
    if first.kind == "operator":
        head = Markup('<mo form="infix" lspace="0">{}</mo>').format(first.text)
        return head + Markup("").join(piece.markup for piece in pieces[1:])
    return Markup("").join(piece.markup for piece in pieces)


def _bracketed(pieces: list[Piece]) -> list[Piece]:
    """The same, each knowing whether it stands in a bracket that is kept on one line."""
    stack, short = list[int](), [0] * (len(pieces) + 1)
    for i, piece in enumerate(pieces):
        if piece.kind == "open":
            stack.append(i)
        elif piece.kind == "close" and stack:
            start = stack.pop()
            if sum(len(one.text) for one in pieces[start : i + 1]) <= LONGEST:
                short[start] += 1
                short[i] -= 1
    found, level = [], 0
    for piece, change in zip(pieces, short, strict=False):
        level += min(change, 0)
        found.append(replace(piece, tight=level > 0))
        level += max(change, 0)
    return found


# Tokens -------------------------------------------------------------------------------------------


def _pieces(text: str) -> Iterator[Piece]:
    """The tokens of a formula, each with its scripts."""
    at = 0
    while at < len(text):
        kind, raw, base, at_end = _base(text, at)
        if kind in ("word", "space", "mark", "operator", "open"):
            yield Piece(kind, base, raw)
            at = at_end
            continue
        scripted, end = _scripts(text, at_end, base, raw)
        yield Piece(kind, scripted, text[at:end])
        at = end


def _base(text: str, at: int) -> tuple[str, str, Markup, int]:
    """Kind, text and markup of what begins here, without its scripts, and where it ends."""
    found = _TOKEN.match(text, at)
    assert found
    raw, end = found[0], found.end()
    if found["space"]:
        return "space", " ", Markup(" "), end
    if found["number"]:
        return "atom", raw, Markup("<mn>{}</mn>").format(raw), end
    if found["dots"]:
        return "atom", raw, Markup("<mo>…</mo>"), end
    if found["word"]:
        return _letters(text, raw, at)
    return _character(text, raw, at)


def _letters(text: str, raw: str, at: int) -> tuple[str, str, Markup, int]:
    """Latin letters: a word, the name of a function, or the first letter of a product."""
    end = at + len(raw)
    scripted = text[end : end + 1] in ("_", "^") or text[end : end + 1] in RAISED
    if (raw in FUNCTIONS and not (raw in BOTH and _OF_WORDS.match(text, end))) or (
        _is_word(text, raw, end) and scripted
    ):
        return "atom", raw, Markup("<mi>{}</mi>").format(raw), end
    if _is_word(text, raw, end):
        return "word", raw, escape(raw), end
    accent = text[at + 1 : at + 2]
    return _accented(raw[0], accent, at)


def _is_word(text: str, raw: str, end: int) -> bool:
    if len(raw) == 1:
        following = re.match(r" ([a-z]{2,})", text[end:])
        return raw == "a" and bool(following and following[1] not in CONNECTIVES | FUNCTIONS)
    if len(raw) == 2:
        return raw in SHORT
    return raw in NAMES or "-" in raw or "'" in raw or raw.islower() or (len(raw) > 3 and raw[1:].islower())


def _accented(letter: str, following: str, at: int) -> tuple[str, str, Markup, int]:
    upright = "ΓΔΘΛΞΠΣΦΨΩ∇∂∞ℓ"
    variant = Markup(' mathvariant="normal"') if letter in upright else Markup("")
    base = Markup("<mi{}>{}</mi>").format(variant, letter)
    if following and following in ACCENTS:
        over = Markup('<mover accent="true">{}<mo stretchy="false">{}</mo></mover>').format(base, ACCENTS[following])
        return "atom", letter + following, over, at + 2
    return "atom", letter, base, at + 1


def _character(text: str, c: str, at: int) -> tuple[str, str, Markup, int]:
    """A character that is neither a digit nor a Latin letter."""
    end = at + 1
    around = text[at - 1 : at] + text[end : end + 1]
    if c == "√":
        inner, end = _argument(text, end)
        return "atom", text[at:end], Markup("<msqrt>{}</msqrt>").format(inner), end
    if c == "Σ":
        return "atom", c, Markup('<mo lspace="0.1em" rspace="0.15em">∑</mo>'), end
    if c in OPERATORS:
        return _operator(text, c, at)
    if c in OPEN:
        return "open", c, Markup('<mo form="prefix" stretchy="false">{}</mo>').format(c), end
    if c in CLOSE:
        return "close", c, Markup('<mo form="postfix" stretchy="false">{}</mo>').format(c), end
    if c in ",;:":
        space = "0.25em" if text[end : end + 1] == " " else "0"
        return "mark", c, Markup('<mo separator="true" lspace="0" rspace="{}">{}</mo>').format(space, c), end
    if c in "|‖":
        space = "0.28em" if around == "  " else "0"
        fence = Markup('<mo stretchy="false" lspace="{}" rspace="{}">{}</mo>').format(space, space, c)
        return "close" if text[at - 1 : at] not in ("", " ") else "atom", c, fence, end
    if c.isalpha() or c in "∇∂∞":
        return _accented(c, text[end : end + 1], at)
    if c in "½¼¾⅓⅛⅒":
        return "atom", c, Markup("<mn>{}</mn>").format(c), end
    return "atom", c, Markup('<mo lspace="0" rspace="0">{}</mo>').format(c), end


def _operator(text: str, c: str, at: int) -> tuple[str, str, Markup, int]:
    """An operator between two things, or a sign before one."""
    before, after = text[:at][-1:], text[at + 1 : at + 2]
    if c in "+−±" and after.strip() and (not before.strip() or before in OPERATORS + OPEN + ",;:|"):
        return "atom", c, Markup('<mo form="prefix" lspace="0" rspace="0">{}</mo>').format(c), at + 1
    return "operator", c, Markup('<mo form="infix">{}</mo>').format(c), at + 1


# Scripts ------------------------------------------------------------------------------------------

_LOWER = re.compile(r"\d+|∞|(?:max|min)\b")
"""What is an index where it stands directly behind a letter."""


def _scripts(text: str, at: int, base: Markup, raw: str) -> tuple[Markup, int]:
    """The base with all that hangs on it, and where that ends."""
    below, above = list[Markup](), list[Markup]()
    letter = raw[:1].isalpha() and len(re.sub("[\u0302\u0304\u0303]", "", raw)) == 1
    while at < len(text):
        c = text[at]
        if letter and not (below or above) and (number := _LOWER.match(text, at)):
            below.append(Markup("<mi>{}</mi>" if number[0].isalpha() else "<mn>{}</mn>").format(number[0]))
            at = number.end()
        elif c in "_^" and at + 1 < len(text):
            inner, at = _argument(text, at + 1)
            (below if c == "_" else above).append(inner)
        elif c in RAISED or c in LOWERED:
            table, to = (RAISED, above) if c in RAISED else (LOWERED, below)
            end = at
            while end < len(text) and text[end] in table:
                end += 1
            to.append(_set("".join(table[d] for d in text[at:end])))
            at = end
        elif c in PRIMES:  # raised as they are in every font
            base += Markup('<mo lspace="0" rspace="0">{}</mo>').format(c)
            at += 1
        elif c == "*" and letter:
            above.append(Markup("<mo>*</mo>"))
            at += 1
        else:
            break
    base = Markup("<mrow>{}</mrow>").format(base) if base.count("</mo>") and (below or above) else base
    low, high = _joined(below, Markup('<mo separator="true">,</mo>')), _joined(above, Markup(""))
    if low and high:
        return Markup("<msubsup>{}{}{}</msubsup>").format(base, low, high), at
    if low or high:
        tag = Markup("msub" if low else "msup")
        return Markup("<{}>{}{}</{}>").format(tag, base, low or high, tag), at
    return base, at


def _joined(parts: Sequence[Markup], between: Markup) -> Markup:
    return Markup("<mrow>{}</mrow>").format(between.join(parts)) if len(parts) > 1 else Markup("").join(parts)


def _argument(text: str, at: int) -> tuple[Markup, int]:
    """What a script or a root is of: a bracket without its brackets, letters, or one token; and where it ends."""
    if text[at : at + 1] and text[at] in "({":
        end, open_ = at, 0
        while end < len(text):
            open_ += (text[end] in OPEN) - (text[end] in CLOSE)
            end += 1
            if not open_:
                return _set(text[at + 1 : end - 1]), end
        return _set(text[at:]), len(text)
    if text[at - 1] == "_" and (found := re.match(r"[A-Za-z]+", text[at:])):
        return _set(found[0]), at + found.end()
    if not text[at : at + 1].strip():
        return Markup("<mrow></mrow>"), at
    kind, raw, base, end = _base(text, at)
    if kind == "word":
        base = Markup("<mtext>{}</mtext>").format(raw)
    if text[at - 1] == "_" and (number := re.match(r"\d+", text[end:])):
        return Markup("<msub>{}<mn>{}</mn></msub>").format(base, number[0]), end + number.end()
    return _scripts(text, end, base, raw) if text[at - 1] == "√" else (base, end)


def _set(text: str) -> Markup:
    """Text inside a script or a root, all of it on one line; words are set upright."""
    parts = [
        Markup("<mtext>{}</mtext>").format(piece.text) if piece.kind == "word"
        else THIN if piece.kind == "space"
        else piece.markup
        for piece in _pieces(text)
    ]  # fmt: skip
    return parts[0] if len(parts) == 1 else Markup("<mrow>{}</mrow>").format(Markup("").join(parts))
