"""Every failure of a page has an id that is in the log and in the message on the page."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from chat import log_formatter


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    lines, logger = io.StringIO(), logging.getLogger("pages")
    handler = logging.StreamHandler(lines)
    handler.setFormatter(log_formatter("json"))
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def _page() -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    from chat import ParleyError
    from pages.session import notices, request_tracing
    from pages.shell.lifespan import on_script_error

    def fail(within: bool = False) -> None:
        context = get_script_run_ctx()
        assert context is not None
        context.on_script_error = on_script_error
        if within:
            notices.attempt(fail)
        raise RuntimeError("no")

    def refuse_and_fail() -> None:
        def refuse() -> None:
            raise ParleyError

        notices.attempt(refuse)
        fail()

    def fail_later() -> None:
        st.session_state["fails"] = True

    st.button("Fail", key="fail", on_click=fail)
    st.button("Attempt", key="attempt", on_click=fail, args=(True,))
    st.button("Refuse", key="refuse", on_click=refuse_and_fail)
    st.button("Draw", key="draw", on_click=fail_later)
    with request_tracing.run():
        if st.session_state.pop("fails", False):
            fail()


def shown_id(page: AppTest, log: io.StringIO) -> str:
    """Return the id on the page after checking that the log has the same."""
    (error,) = page.error
    found = re.search(r"include the id (\w+)$", str(error.value))
    assert found, error.value
    assert json.loads(log.getvalue().splitlines()[-1])["request_id"] == found[1]
    return found[1]


def test_each_failure_has_an_id_of_its_own(log: io.StringIO) -> None:
    page, ids = AppTest.from_function(_page), set()
    clicks = ("fail", "fail", "attempt", "refuse", "draw", "fail")
    for key in clicks:
        ids.add(shown_id(page.run().button(key=key).click().run(), log))
    assert len(ids) == len(clicks)
