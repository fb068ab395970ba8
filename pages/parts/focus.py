"""Puts the cursor where the person is about to type. Streamlit has no way to ask for that."""

from __future__ import annotations

import streamlit as st

_JS = """
const done = new WeakSet()

export default function ({ data, parentElement }) {
  if (done.has(parentElement)) return
  done.add(parentElement)
  const find = () => document.querySelector(`.st-key-${data.key} :is(input, textarea)`)
  let tries = 0
  const focus = () => {
    const box = find()
    if (box) {
      box.focus({ preventScroll: true })
      box.scrollIntoView({ block: "nearest" })
    }
    if (document.activeElement !== box && ++tries < 20) setTimeout(focus, 50)
  }
  focus()
}
"""

_focus = st.components.v2.component("parley_focus", html="<i></i>", js=_JS)


def on(key: str) -> None:
    """Focus the text box of the widget `key`, once, when it appears."""
    _focus(key=f"focus_{key}", data={"key": key}, height="content")
