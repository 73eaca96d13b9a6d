"""Sphinx: Markdown by MyST, the look of furo. `make docs` builds it."""

from subtheory import __version__

project = "subtheory"
author = "The subtheory developers"
copyright = "The subtheory developers, Apache-2.0"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
# README and changelog lie outside this folder; on the site they are links to nowhere otherwise.
suppress_warnings = ["myst.xref_missing"]
html_theme = "furo"
html_title = f"subtheory {__version__}"
