"""A widget callback runs to its end although another request of the tab is pending."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.streamlit_patches import atomic_callbacks
from tests.support import patches


def _page() -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

    def click() -> None:
        context = get_script_run_ctx()
        assert context is not None and context.script_requests is not None
        context.script_requests.request_rerun(RerunData())  # as a component of the page would
        st.session_state["begun"] = True
        st.query_params["c"] = "somewhere"
        st.session_state["done"] = True

    st.button("Press", key="press", on_click=click)


@pytest.mark.parametrize("is_patched", [True, False])
def test_callback_runs_to_its_end_only_with_the_patch(
    monkeypatch: pytest.MonkeyPatch, is_patched: bool
) -> None:
    if is_patched:
        patches.apply(monkeypatch, atomic_callbacks.replacements())
    page = AppTest.from_function(_page).run()
    page.button(key="press").click().run()
    assert ("done" in page.session_state) is is_patched
