"""Citations: a `P18` or `g10` in a text is a prediction or a gap, and a heading of docs/theory.md."""

import re
from functools import cache

from markupsafe import Markup, escape

from subtheory import resources

PAGE = "docs/theory.md"

SITE = ""
"""Where the documentation is published, as `project.urls` says; empty as long as it is not."""

_CITED = re.compile(r"(?<![\w.])[Pg][1-9]\d*(?!\w)")


def cited(text: str) -> tuple[str, ...]:
    """The numbers that a text cites, each once, in their order."""
    return tuple(dict.fromkeys(_CITED.findall(text)))


def address(number: str, site: str = SITE) -> str:
    """Where a number is explained: on the site, or in the repository if there is none."""
    return f"{site.rstrip('/')}/theory.html#{number.lower()}" if site else f"{PAGE}#{number.lower()}"


def html(text: str, site: str = SITE) -> Markup:
    """The text escaped, with a link at each citation; a page that may lie anywhere has none without a site."""
    link = Markup('<a href="{}">{}</a>')
    linked = _CITED.sub(lambda found: link.format(address(found[0], site), found[0]), escape(text))
    return Markup(linked) if site else escape(text)


@cache
def titles() -> dict[str, str]:
    """The sentence that heads each number; empty where the package was installed without its docs."""
    page = resources.CHECKOUT / PAGE
    text = page.read_text("utf-8") if page.is_file() else ""
    return dict(re.findall(r"^### ([Pg]\d+)\n+\*\*(.+?)\*\*", text, re.MULTILINE))


def lines(text: str) -> list[str]:
    """One line for each citation: number, address, and title where it is known."""
    return [": ".join(filter(None, [f"{one} ({address(one)})", titles().get(one)])) for one in cited(text)]
