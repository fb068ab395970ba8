"""Run widget callbacks to completion; a pending rerun is handled after them.

Upstream: streamlit/streamlit#10578 ("Input events immediately terminate everything").
Symptom: Streamlit ends a script at any access to session state or query parameters when another
request of the tab is pending, also inside a callback. A click was then half done: a user's API key
was removed while the conversation still referred to it.
Versions: all up to 1.67; reproduced by tests/streamlit_patches/test_atomic_callbacks.py.
"""

from __future__ import annotations

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

from pages.streamlit_patches.replacement import Replacement

_handle_request = ScriptRunner._maybe_handle_execution_control_request


def replacements() -> list[Replacement]:
    name = "_maybe_handle_execution_control_request"
    return [Replacement(ScriptRunner, name, (), _handle_request_after_callbacks)]


def _handle_request_after_callbacks(runner: ScriptRunner) -> None:
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or context.has_script_started:
        _handle_request(runner)
