"""Formulas in TeX become MathML, which browsers set themselves: no script, no font and no request is needed."""

from html import escape

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def _set(node: nodes.math | nodes.math_block, block: bool) -> str:
    """The formula as MathML; one that cannot be read is shown as it stands, with a warning."""
    try:
        return tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logger.warning("formula: %s", error, location=node)
        return f"<code>{escape(node.astext())}</code>"


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """A formula in a line."""
    self.body.append(_set(node, block=False))
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own; a wide one scrolls inside its box."""
    self.body.append(f'<div class="formula">{_set(node, block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
