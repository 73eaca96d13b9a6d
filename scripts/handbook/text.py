"""From a docstring to Markdown: prose is escaped, what is indented stays as it stands, cited numbers are links."""

import inspect
import re
from collections.abc import Iterable, Sequence

from subtheory import citations
from subtheory.pages import mathml

_SPAN = re.compile(r"(`[^`]+`|\*\*[^*\s][^*]*\*\*)")
"""What already is Markdown in a docstring: code, and a word that is set bold."""

_HEAD = re.compile(r"^(Statement|Assumptions|Proof|Source|Remark|Raises|Returns)\b")
_ITEM = re.compile(r"^- ", re.MULTILINE)


def escaped(text: str) -> str:
    """The same text for MyST, in which no letter of it means anything."""
    return re.sub(r"([\\*_<>\[\]$~{}#`])", r"\\\1", text)


def inline(text: str, theory: str = "") -> str:
    """A sentence: code spans and bold words kept, `P18` and `g10` linked to the page `theory`, if one is named."""
    parts = _SPAN.split(text)
    return "".join(part if k % 2 else _cited(escaped(part), theory) for k, part in enumerate(parts))


def _cited(text: str, theory: str) -> str:
    if not theory:
        return text
    for number in citations.cited(text):
        text = re.sub(rf"(?<![\w.]){number}(?!\w)", f"[{number}]({theory}#{number.lower()})", text)
    return text


def markdown(docstring: str, theory: str = "") -> str:
    """Paragraph by paragraph: indented ones are formulas, `>>>` examples, "- " items, and everything else prose."""
    return "\n\n".join(_paragraph(one, theory) for one in inspect.cleandoc(docstring).split("\n\n") if one.strip())


def _paragraph(text: str, theory: str) -> str:
    lines = text.split("\n")
    if text.lstrip().startswith(">>>"):
        return fenced(inspect.cleandoc(text), "pycon")
    if all(line.startswith("    ") for line in lines if line.strip()):
        return fenced("\n".join(line[4:] for line in lines), "text")
    if _ITEM.match(text):
        items = re.split(r"\n- ", "\n" + text)[1:]
        return "\n".join(f"- {inline(' '.join(item.split()), theory)}" for item in items)
    head = _HEAD.match(text)
    start = f"**{head[1]}**" if head else ""
    return start + inline(text[len(head[1]) :] if head else text, theory)


def fenced(text: str, language: str = "text") -> str:
    """A block of code, whatever ticks are in it."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{ticks}{language}\n{text}\n{ticks}"


def folded(title: str, text: str) -> str:
    """What a reader opens if he wants it."""
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def formula(text: str) -> str:
    """A formula that stands alone, as MathML; what is selected there is the text itself."""
    return f'<div class="formula">{mathml.math(text)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown."""
    lines = [list(head), ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


ORPHAN = "---\norphan: true\n---"
"""Heads a page that the sidebar leaves out: with hundreds of entries nobody would find one there."""

SOURCE = "---\norphan: true\nnosearch: true\n---"
"""Heads a page of code alone, which the search leaves out too."""


def page(*blocks: str) -> str:
    """Blocks, with a blank line between them; empty ones are left out."""
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"


def contents(names: Iterable[str]) -> str:
    """A table of contents of pages beside this one, for the sidebar."""
    return "\n".join(["```{toctree}", ":hidden:", ":maxdepth: 1", "", *names, "```"])
