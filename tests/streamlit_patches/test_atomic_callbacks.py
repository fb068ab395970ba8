"""What a click asks for is done to its end, whatever else the browser sends meanwhile."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _page() -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

    from pages.streamlit_patches import atomic_callbacks

    atomic_callbacks.make_whole()

    def click() -> None:
        context = get_script_run_ctx()
        assert context is not None and context.script_requests is not None
        context.script_requests.request_rerun(RerunData())  # as from a component of the page
        st.session_state["begun"] = True
        st.query_params["c"] = "somewhere"
        st.session_state["done"] = True

    st.button("Press", key="press", on_click=click)


def test_a_click_is_done_whole_though_another_request_comes() -> None:
    page = AppTest.from_function(_page).run()
    page.button(key="press").click().run()
    assert "begun" in page.session_state and "done" in page.session_state
