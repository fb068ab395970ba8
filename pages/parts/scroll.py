"""Brings the end into view after a send; otherwise the reader's place is kept."""

from __future__ import annotations

import streamlit as st

_JS = """
const done = new WeakMap()

export default function ({ data, parentElement }) {
  if (!data.to || done.get(parentElement) === data.to) return
  done.set(parentElement, data.to)
  const page = document.querySelector('[data-testid="stAppScrollToBottomContainer"]')
  let left = 10
  const toEnd = () => {
    page?.scrollTo({ top: page.scrollHeight })
    if (--left) setTimeout(toEnd, 50) // the new message is still being drawn
  }
  toEnd()
}
"""

_scroll = st.components.v2.component("parley_scroll", html="<i></i>", js=_JS)


def wish(answer_id: str) -> None:
    """Scroll to the end when `answer_id` is drawn: this tab has just asked for it."""
    st.session_state["scroll_to"] = answer_id


def draw() -> None:
    _scroll(key="scroll", data={"to": st.session_state.get("scroll_to", "")}, height="content")
