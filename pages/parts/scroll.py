"""Brings the end into view after a send, or a message that was looked for.

Otherwise the reader's place is kept.
"""

from __future__ import annotations

import secrets

import streamlit as st

from pages.parts import state

_JS = """
const done = new WeakMap()

export default function ({ data, parentElement }) {
  if (!data.to || done.get(parentElement) === data.to) return
  done.set(parentElement, data.to)
  const page = document.querySelector('[data-testid="stAppScrollToBottomContainer"]')
  const app = document.querySelector('[data-testid="stApp"]')
  let left = data.message ? 200 : 10
  let still = 60 // looks after the script has ended; a slow browser draws later
  const theirs = new AbortController() // whoever scrolls now is let go
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"])
    addEventListener(kind, () => (left = 0), { signal: theirs.signal, passive: true })
  const toPlace = () => {
    if (left <= 0 || !still) return theirs.abort()
    if (data.message) {
      const actions = document.querySelector(`.st-key-actions_${data.message}`)
      actions?.closest('[data-testid="stChatMessage"]').scrollIntoView({ block: "start" })
    } else page?.scrollTo({ top: page.scrollHeight })
    left -= 1
    if (app.dataset.testScriptState === "notRunning") still -= 1
    setTimeout(toPlace, 50) // what is wanted is still being drawn
  }
  toPlace()
}
"""

_scroll = st.components.v2.component("parley_scroll", html="<i></i>", js=_JS)


def wish(answer_id: str) -> None:
    """Scroll to the end when `answer_id` is drawn: this tab has just asked for it."""
    state.scroll_to(answer_id)


def wish_message(message_id: str) -> None:
    """Scroll to a message that is about to be drawn."""
    st.session_state["scroll_to"] = secrets.token_hex(8)
    st.session_state["scroll_message"] = message_id


def draw() -> None:
    wanted = st.session_state.get("scroll_to", "")
    data = {"to": wanted, "message": st.session_state.get("scroll_message", "")}
    _scroll(key="scroll", data=data, height="content")
