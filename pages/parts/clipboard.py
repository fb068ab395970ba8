"""A button that copies text to the clipboard. Streamlit has none for messages."""

from __future__ import annotations

import streamlit as st

_HTML = """
<button type="button" title="Copy as Markdown">
  <svg class="copy" viewBox="0 0 24 24" aria-hidden="true">
    <path d="M9 18q-.8 0-1.4-.6T7 16V4q0-.8.6-1.4T9 2h9q.8 0 1.4.6T20 4v12q0 .8-.6 1.4T18
      18H9Zm0-2h9V4H9v12Zm-4 6q-.8 0-1.4-.6T3 20V6h2v14h11v2H5Z"/>
  </svg>
  <svg class="done" viewBox="0 0 24 24" aria-hidden="true">
    <path d="m9.5 18-5.7-5.7 1.4-1.4 4.3 4.2 9.2-9.2 1.4 1.5L9.5 18Z"/>
  </svg>
  <span>Copy</span>
</button>
"""

_CSS = """
button {
  display: inline-flex; align-items: center; gap: 0.5rem;
  min-height: 2.5rem; padding: 0; border: 0; background: transparent;
  border-radius: var(--st-button-radius); color: var(--st-text-color);
  font: 0.875rem var(--st-font); cursor: pointer;
}
button:hover { color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
svg { width: 1rem; height: 1rem; fill: currentColor; }
.done, button.is-done .copy { display: none; }
button.is-done .done { display: inline; }
"""

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

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button")
  const label = parentElement.querySelector("span")
  label.setAttribute("aria-live", "polite")
  button.onclick = async () => {
    await write(data.text)
    button.classList.add("is-done")
    label.textContent = "Copied"
    setTimeout(() => {
      button.classList.remove("is-done")
      label.textContent = "Copy"
    }, 1500)
  }
}
"""

_copy = st.components.v2.component("parley_copy", html=_HTML, css=_CSS, js=_JS)


def draw(text: str, key: str) -> None:
    """A copy button for `text`, exactly as it is."""
    _copy(key=key, data={"text": text}, width="content")
