"""How Sphinx builds the site: `make docs`."""

from bertprep import __version__

project = "bertprep"
release = __version__
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"bertprep {release}"
html_copy_source = False
exclude_patterns = ["_build"]
