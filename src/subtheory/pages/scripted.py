"""A page with one script of its own, which the browser knows by its digest, so that no other runs."""

import base64
import hashlib

from markupsafe import Markup

from subtheory import resources


def script(name: str) -> Markup:
    """The text of templates/NAME.js, to stand in a script element as it is."""
    return Markup((resources.PACKAGE / "pages" / "templates" / f"{name}.js").read_text("utf-8"))


def digest(text: str) -> Markup:
    """What a content-security policy calls a script: 'sha256-…' of the element's text."""
    return Markup("'sha256-{}'").format(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
