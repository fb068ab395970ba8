"""The app from Streamlit's tutorial, with Streamlit's default settings."""

from __future__ import annotations

from benchmarks.apps.server import ROOT, SCRIPTS, StreamlitServer


class Tutorial(StreamlitServer):
    name = "tutorial"
    script = SCRIPTS / "tutorial_app.py"

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT)}
