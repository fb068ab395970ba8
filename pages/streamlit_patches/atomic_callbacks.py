"""A click is done whole. Streamlit would end its callback half-way when another request comes.

Any look at the session or the address is a point where it does so, and the rest of the click is
lost: a key was taken out of use while its conversation went on asking for it.
"""

from __future__ import annotations

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

_look_for_requests = ScriptRunner._maybe_handle_execution_control_request


def make_whole() -> None:
    """From now on other requests wait until the callbacks of a run are over."""
    ScriptRunner._maybe_handle_execution_control_request = _after_callbacks  # type: ignore[method-assign, assignment]


def _after_callbacks(runner: ScriptRunner) -> None:
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or context.has_script_started:
        _look_for_requests(runner)
