"""Tells a screen reader once that a reply is being written, and once how it ended."""

from __future__ import annotations

import streamlit as st

from chat import Status, View

_HTML = "<div></div>"
_JS = """
export default function ({ data, parentElement }) {
  const region = parentElement.querySelector("div")
  if (!region.hasAttribute("role")) {
    region.setAttribute("role", "status")
    Object.assign(region.style, {
      position: "absolute", width: "1px", height: "1px",
      overflow: "hidden", clipPath: "inset(50%)",
    })
  }
  if (region.textContent !== data.text) region.textContent = data.text
}
"""

_announce = st.components.v2.component("parley_announcer", html=_HTML, js=_JS)

_ENDS = {
    Status.COMPLETE: "The reply is complete.",
    Status.STOPPED: "The reply was stopped.",
    Status.INTERRUPTED: "The reply was interrupted.",
    Status.FAILED: "The reply failed.",
}


def draw(view: View | None) -> None:
    """Say how the reply stands that this tab has watched; nothing about older ones."""
    text = ""
    if view is not None and view.running_id:
        st.session_state["watched"] = view.conversation.id
        text = "A reply is being written."
    elif view is not None and st.session_state.get("watched") == view.conversation.id:
        last = view.messages[-1] if view.messages else None
        failed = view.failed_retry is not None
        text = _ENDS[Status.FAILED] if failed else (_ENDS.get(last.status, "") if last else "")
    _announce(key="announcer", data={"text": text}, height="content")
