"""Buttons that copy text to the clipboard. Streamlit has none for messages.

A button is a piece of HTML that holds its text, and one script listens for all of them: a component
for each would be one more widget with every message, which every other widget pays for.
"""

from __future__ import annotations

from base64 import b64encode

import streamlit as st

_JS = """
async function write(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // Plain HTTP has no clipboard API.
    const box = document.createElement("textarea")
    box.value = text
    document.body.append(box)
    box.select()
    document.execCommand("copy")
    box.remove()
  }
}

async function copy(event) {
  const button = event.target.closest?.("button[data-copies]")
  if (!button) return
  const bytes = Uint8Array.from(atob(button.dataset.copies), (each) => each.charCodeAt(0))
  await write(new TextDecoder().decode(bytes))
  const label = button.querySelector("span")
  button.dataset.done = ""
  label.textContent = "Copied"
  setTimeout(() => {
    delete button.dataset.done
    label.textContent = "Copy"
  }, 1500)
}

export default function () {
  if (window.parleyCopies) return
  window.parleyCopies = true
  document.addEventListener("click", copy)
}
"""

_listener = st.components.v2.component("parley_clipboard", html="<i></i>", js=_JS)


def listen() -> None:
    """Make the buttons of this page work."""
    _listener(key="clipboard", height="content")


def draw(text: str, key: str) -> None:
    """A copy button for `text`, exactly as it is; `key` as of a widget."""
    copies = b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
    st.html(
        f'<div class="st-key-{key}"><button type="button" title="Copy as Markdown" '
        f'data-copies="{copies}"><span aria-live="polite">Copy</span></button></div>',
        width="content",
    )
