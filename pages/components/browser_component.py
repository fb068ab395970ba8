"""Declaration of browser components that are written in JavaScript.

A component is a module of this package with a script of the same name beside it. `selectors.js` is
prepended to each script: it holds every selector for Streamlit's DOM and for Parley's widgets.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

_FOLDER = Path(__file__).parent


def declare(name: str, *, html: str = "<i></i>", css: str | None = None) -> ComponentRenderer:
    """Return the function that mounts the component with the script `<name>.js`."""
    script = "\n".join(_read(each) for each in ("selectors", name))
    return st.components.v2.component(f"parley_{name}", html=html, css=css, js=script)


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.js").read_text("utf-8")
