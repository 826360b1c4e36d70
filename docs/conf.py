"""Settings of the site, which `make docs` builds, and `make docs-quick` without the examples."""

from __future__ import annotations

import sys
from pathlib import Path

import sessionprompt

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sessionprompt"
author = "The sessionprompt developers"
project_copyright = author
version = release = sessionprompt.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "committed_results",
    "internal_links",
]
exclude_patterns = ["_build", "gallery", "auto_examples/**/*.ipynb", "**/*.codeobj.json"]
templates_path = ["_templates"]
default_role = "literal"
nitpicky = True  # a reference that leads nowhere is a warning
nitpick_ignore_regex = [
    ("py:obj", ".*"),  # tables of the doors of packages, whose names have no page of their own
    ("py:.*", r"(?!sessionprompt\.).*"),  # types in words, and other libraries
]

# docstrings
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # numpydoc's sections name the types
autodoc_member_order = "groupwise"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template of classes lists them
numpydoc_class_members_toctree = False

# pages in Markdown
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath", "substitution"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "doc_module": ("sessionprompt",),
    "backreferences_dir": "generated/backreferences",
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "min_reported_time": 1,
    "write_computation_times": False,
    "image_scrapers": ("matplotlib", "displays.scraper"),
    "ignore_repr_types": r"sessionprompt\.plotting",
    "within_subsection_order": "FileNameSortKey",
}

# external links, which `make docs-links` tries
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://localhost"]

html_theme = "pydata_sphinx_theme"
html_title = "sessionprompt"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "collapse_navigation": True,
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"index": [], "benchmarks": [], "paper": [], "paper-report": []}
