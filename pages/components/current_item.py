"""Tells a screen reader which conversation of the list is in view. Streamlit's buttons cannot."""

from __future__ import annotations

import streamlit as st

from chat import Conversation

_JS = """
const lists = new WeakMap() // the key that is current in each

export default function ({ data }) {
  const list = document.querySelector(".st-key-conversations")
  if (!list) return
  const mark = () => {
    const current = list.querySelector(`.st-key-open_${lists.get(list)} button`)
    for (const marked of list.querySelectorAll("[aria-current]"))
      if (marked !== current) marked.removeAttribute("aria-current")
    current?.setAttribute("aria-current", "page")
  }
  const isNew = !lists.has(list)
  lists.set(list, data.id)
  mark()
  if (isNew) new MutationObserver(mark).observe(list, { childList: true, subtree: true })
}
"""

_current = st.components.v2.component("parley_current", html="<i></i>", js=_JS)


def draw(shown: Conversation | None) -> None:
    _current(key="current", data={"id": shown.id if shown else "none"}, height="content")
