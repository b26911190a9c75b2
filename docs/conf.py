"""Settings of Sphinx for the documentation site: `make docs`."""

from importlib import metadata

project = "STORM"
author = "the STORM authors"
release = metadata.version("storm-calm")
html_title = f"STORM {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
# Files that are not pages, such as sources and models, become downloads or links to the repository.
myst_url_schemes = ["http", "https", "mailto"]

html_theme = "furo"
html_static_path: list[str] = []
html_show_sphinx = False
# Prompts and comments are not copied with a command.
copybutton_exclude = ".linenos, .gp, .go"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
nitpicky = False
