"""Brings into view what was asked for: the end after a send, or a message that was looked for.

Otherwise the reader's place is kept. On a narrow screen the sidebar lies over the page; it goes
when something was opened from it, and Streamlit has no call for that.
"""

from __future__ import annotations

import secrets

import streamlit as st

from pages.parts import state

_JS = """
const done = new WeakMap()
const SIDEBAR = '[data-testid="stSidebar"]'
const OPENS = // something else than what is in view
  "a, :is(.st-key-new_chat, .st-key-new_temporary, .st-key-delete_conversation," +
  ' [class*="st-key-open_"], [class*="st-key-found_"]) button'

function leave({ target }) {
  const isNarrow = innerWidth <= 768 // as Streamlit sees it
  if (isNarrow && target.closest?.(SIDEBAR) && target.closest(OPENS)) setTimeout(uncover)
}

function uncover() {
  document.querySelector(`${SIDEBAR} [data-testid="stSidebarCollapseButton"] button`)?.click()
  let left = 20
  const focus = () => {
    // What was pressed is out of view; in the composer it would bring up a phone's keyboard.
    const back = document.querySelector('[data-testid="stExpandSidebarButton"]')
    if (back) back.focus({ preventScroll: true })
    else if (left--) setTimeout(focus, 50)
  }
  focus()
}

if (!window.parleyLeaves) {
  window.parleyLeaves = true
  document.addEventListener("click", leave, true)
}

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
