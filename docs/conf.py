"""Sphinx: Markdown by MyST, the look of furo, pages made of claims and docstrings. `make docs` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from subtheory import __version__

project = "subtheory"
author = "The subtheory developers"
copyright = "The subtheory developers, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "handbook"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# A signature that is longer has one argument a line.
maximum_signature_line_length = 90
add_module_names = False
toc_object_entries_show_parents = "hide"
# TeX becomes MathML: a page asks nobody for a script, and is read without a network.
html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"subtheory {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
