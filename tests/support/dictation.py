"""Dictation in a browser test: speak through the fake microphone and wait until it is quiet."""

from __future__ import annotations

from tests.support.chat_page import Chat, wait_until

MICROPHONE_ALLOWED = {"permissions": ["microphone"]}
# Listens to the same microphone: `heard` is set after speech followed by silence.
_LISTEN = """async () => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true})
  const context = new AudioContext()
  const analyser = context.createAnalyser()
  context.createMediaStreamSource(stream).connect(analyser)
  const wave = new Float32Array(analyser.fftSize)
  let loud = 0, quiet = 0
  window.heard = false
  const look = () => {
    analyser.getFloatTimeDomainData(wave)
    const isLoud = wave.some((value) => Math.abs(value) > 0.05)
    loud += isLoud
    quiet = isLoud ? 0 : quiet + 1
    if (loud > 5 && quiet > 30) {
      window.heard = true
      stream.getTracks().forEach((track) => track.stop())
    } else requestAnimationFrame(look)
  }
  look()
}"""


def wait_for_speech(chat: Chat) -> None:
    """Wait until "hello world" was spoken and is followed by silence."""
    chat.page.evaluate(_LISTEN)
    wait_until(chat.page, "() => window.heard")


def dictate(chat: Chat) -> None:
    """Record "hello world" with the microphone button."""
    recorder = chat.page.frame_locator(".st-key-mic iframe").get_by_role("button")
    recorder.click()
    wait_for_speech(chat)
    recorder.click()
