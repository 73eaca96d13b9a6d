"""Pages with one script of their own: known to the browser by its digest, so that no other runs, and inert data."""

import base64
import hashlib
import json
from typing import Any

from markupsafe import Markup

from subtheory import resources

ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Letters by which data could leave its element, as JSON writes them otherwise."""


def script(name: str) -> Markup:
    """The text of templates/NAME.js, to stand in a script element as it is."""
    return Markup((resources.PACKAGE / "pages" / "templates" / f"{name}.js").read_text("utf-8"))


def digest(text: str) -> Markup:
    """What a content-security policy calls a script: 'sha256-…' of the element's text."""
    return Markup("'sha256-{}'").format(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())


def data(value: Any) -> Markup:
    """JSON to stand in an element of type application/json; raises ValueError for a number that is not finite."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup("".join(ESCAPED.get(letter, letter) for letter in text))
