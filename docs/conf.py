"""Settings of Sphinx for the documentation site: `make docs`."""

import importlib.metadata
import inspect
import re
import typing

from sphinx.application import Sphinx

from storm_calm import CurateConfig, EvalConfig

project = "STORM"
author = "the STORM authors"
version = release = importlib.metadata.version("storm-calm")
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
add_module_names = False
# Docstrings quote code in single backticks.
default_role = "code"
# Options begin with "--".
smartquotes = False


def to_rst(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Turn our docstrings into reStructuredText: parameters into fields, indented examples into code."""
    known = set(inspect.signature(thing).parameters) if what in ("function", "method") and callable(thing) else set()
    paragraphs = "\n".join(lines).rstrip().split("\n\n")
    lines[:] = [*"\n\n".join(_paragraph(paragraph, known) for paragraph in paragraphs).split("\n"), ""]


def _paragraph(text: str, known: set[str]) -> str:
    if text.startswith("    "):
        return ".. code-block:: python\n\n" + text
    if "`" not in text:
        text = text.replace("|", "\\|")  # Otherwise |x| would be a substitution.
    parts = [""]
    for line in text.split("\n"):
        # A parameter begins a line, or follows another one in it: "low: the least. high: the most."
        for part in re.split(rf"(?<=[.?] )(?=(?:{'|'.join(known)}): )", line) if known else [line]:
            names = re.match(r"(\w+(?:, \w+)*): ", part)
            if names and known.issuperset(names[1].split(", ")):
                parts += [f":param {name}: {part[names.end() :]}" for name in names[1].split(", ")]
            elif parts[-1].startswith(":param") and line.startswith("    "):
                parts[-1] += " " + part.strip()
            elif parts[-1].startswith(":param"):
                parts.append(part)
            else:
                parts[-1] += "\n" + part
    fields = [part for part in parts if part.startswith(":param")]
    prose = [part.strip("\n") for part in parts if part.strip() and not part.startswith(":param")]
    # Fields come last, whatever the order of the docstring.
    return "\n\n".join([*prose, "\n".join(fields)]).strip("\n")


def skip(app: Sphinx, what: str, name: str, thing: object, skipped: bool, options: object) -> bool | None:
    """Leave out constructors without a docstring of their own, such as those of dataclasses."""
    return True if name in ("__init__", "__new__") and not (inspect.isfunction(thing) and thing.__doc__) else None


def setup(app: Sphinx) -> None:
    """Register the functions above, and hide how options are shown on the command line."""
    app.connect("autodoc-process-docstring", to_rst)
    app.connect("autodoc-skip-member", skip)
    for cls in {*CurateConfig.__mro__, *EvalConfig.__mro__} - {object}:
        hints = typing.get_type_hints(cls)
        cls.__annotations__ = {name: hints[name] for name in inspect.get_annotations(cls)}
