"""Says why the microphone cannot be used, as only the browser knows: no HTTPS, not allowed."""

from __future__ import annotations

import streamlit as st

_CSS = "span { font: 0.875rem var(--st-font); color: var(--st-text-color); opacity: 0.8; }"

_JS = """
const INSECURE = "The microphone works only over HTTPS or on localhost."
const DENIED = "The browser denies the microphone: allow it in the settings of this site."
const NONE = "No microphone was found."

// The recorder leaves the microphone open when it stops; it lies in a frame of the same origin.
function close(recorder) {
  const stop = recorder.prototype.stop
  if (stop.isOurs) return
  recorder.prototype.stop = function () {
    const { stream } = this
    this.addEventListener("stop", () => stream.getTracks().forEach((track) => track.stop()))
    return stop.call(this)
  }
  recorder.prototype.stop.isOurs = true
}

function watch(tries = 100) {
  const frame = document.querySelector(".st-key-mic iframe")
  const inside = frame?.contentWindow
  if (inside?.MediaRecorder && inside.document?.readyState === "complete") {
    close(inside.MediaRecorder)
    frame.onload = () => close(frame.contentWindow.MediaRecorder)
  } else if (tries) setTimeout(() => watch(tries - 1), 100)
}

export default function ({ parentElement }) {
  const place = parentElement.querySelector("span")
  place.setAttribute("role", "status")
  const say = (text) => {
    place.textContent = text
    const frame = document.querySelector(".st-key-mic")
    if (frame) frame.inert = Boolean(text)
    if (frame) frame.style.opacity = text ? 0.4 : 1
  }
  if (!window.isSecureContext || !navigator.mediaDevices) return say(INSECURE)
  watch()
  const look = async () => {
    const devices = await navigator.mediaDevices.enumerateDevices()
    const isThere = devices.some((device) => device.kind === "audioinput")
    say(isThere ? "" : NONE)
  }
  const ask = navigator.permissions?.query({ name: "microphone" })
  ask?.then((permission) => {
    const tell = () => (permission.state === "denied" ? say(DENIED) : look())
    permission.onchange = tell
    tell()
  }).catch(() => {}) // a browser that does not tell asks when recording begins
}
"""

_microphone = st.components.v2.component(
    "parley_microphone", html="<span></span>", css=_CSS, js=_JS
)


def draw() -> None:
    _microphone(key="microphone", height="content", width="content")
