"""The documentation site, made from the pages of this folder by Sphinx: `make docs`, warnings are
errors."""

import polyrhythm

project = "Polyrhythm"
author = "The Polyrhythm authors"
project_copyright = f"2026, {author}"
release = version = polyrhythm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
root_doc = "index"
myst_heading_anchors = 3  # pages point to headings of each other
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"Polyrhythm {release}"
html_show_sphinx = False
