"""Puts the cursor where the person is about to type. Streamlit has no way to ask for that."""

from __future__ import annotations

import streamlit as st

_JS = """
const done = new WeakSet()

export default function ({ data, parentElement }) {
  if (done.has(parentElement)) return
  done.add(parentElement)
  const find = () => document.querySelector(`.st-key-${data.key} :is(input, textarea)`)
  let left = 20
  let isThere = false
  const focus = () => {
    const box = find()
    if (box && !isThere) {
      box.focus({ preventScroll: true })
      isThere = document.activeElement === box
    }
    // Again and again, for Streamlit may still scroll to the end of the page.
    if (box && document.activeElement === box) box.scrollIntoView({ block: "nearest" })
    if (--left) setTimeout(focus, 50)
  }
  focus()
}
"""

_focus = st.components.v2.component("parley_focus", html="<i></i>", js=_JS)


def on(key: str) -> None:
    """Focus the text box of the widget `key`, once, when it appears."""
    _focus(key=f"focus_{key}", data={"key": key}, height="content")
