"""Speech to text: record, wait for the words, and put them into the box. Nothing is sent by itself.

A recording lives in this tab's memory until its text has arrived or it is discarded.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import streamlit as st

from chat import File, ParleyError
from pages.components import chat_input_bridge, microphone_permission
from pages.markdown import sanitize
from pages.rendering import stale_elements
from pages.session import notices, tab_state, visitor


@dataclass
class Recording:
    """What was said, and the words to come; without them it has failed and can be tried again."""

    id: str
    file: File
    words: Future[str] | None = None


def draw_microphone() -> None:
    """The recorder, or why there is none."""
    if problem := tab_state.service().voice_problem:
        st.button("Dictate", key="mic", icon=":material/mic_off:", disabled=True)
        st.caption(problem, width="content")
        return
    # Not at the top: the recorder registers with the running server when it is imported.
    from streamlit_mic_recorder import mic_recorder

    if any(each.words is not None for each in _all()):
        # Undrawn for a while, it forgets the recording, which it would send along for ever.
        st.button("Dictate", key="mic_resting", icon=":material/mic:", disabled=True)
        return
    recorded = mic_recorder(
        start_prompt="Dictate",
        stop_prompt="■ Stop and transcribe",
        format="wav",
        just_once=True,
        key="mic",
    )
    if recorded:
        keep(File("recording.wav", recorded["bytes"]))
        st.rerun()  # what becomes of it is drawn further up
    microphone_permission.draw()


def keep(*files: File) -> None:
    """Hold recordings and begin to turn them into text."""
    for file in files:
        recording = Recording(secrets.token_hex(4), file)
        _all().append(recording)
        _begin(recording.id)


def draw_progress(*, is_busy: bool) -> None:
    """What becomes of the recordings: in work, or failed and to be tried again.

    While a reply is followed a fragment would wait: then `state.beat` looks for the words.
    """
    if _collect():
        st.rerun()
    tab_state.await_transcripts([each.words for each in _all() if each.words is not None])
    with st.container(key="recordings", gap="xsmall"):
        if any(each.words is not None for each in _all()):
            if is_busy:
                _draw_waiting()
            else:
                _wait()
        else:
            st.empty()
        failed = [each for each in _all() if each.words is None]
        with stale_elements.single_slot("recordings", tuple(each.id for each in failed)):
            for recording in failed:
                _draw_failed(recording)


def _draw_waiting() -> None:
    st.markdown(":small[:material/mic: :shimmer[Turning speech into text…]]")


@st.fragment(run_every=0.25)
def _wait() -> None:
    _draw_waiting()
    if _is_any_done():
        st.rerun()


def _draw_failed(recording: Recording) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = sanitize.plain_text(recording.file.name)
        st.markdown(f":small[:material/mic: {name} is kept]")
        _button("Try again", "refresh", f"transcribe_again_{recording.id}", _begin, recording.id)
        _button("Discard", "delete", f"discard_recording_{recording.id}", _discard, recording.id)


def _button(label: str, icon: str, key: str, action: Callable[[str], None], value: str) -> None:
    st.button(
        f":small[{label}]",
        key=key,
        icon=f":material/{icon}:",
        type="tertiary",
        on_click=action,
        args=(value,),
    )


def _all() -> list[Recording]:
    recordings: list[Recording] = st.session_state.setdefault("recordings", [])
    return recordings


def _begin(recording_id: str) -> None:
    for recording in _all():
        if recording.id == recording_id:
            recording.words = notices.attempt(
                tab_state.service().transcribe, visitor.owner(), recording.file
            )


def _is_any_done() -> bool:
    return any(each.words is not None and each.words.done() for each in _all())


def _collect() -> bool:
    """Put the words that have come into the box; whether there were any, or a failure."""
    if not _is_any_done():
        return False
    recordings, failures = _all(), list[ParleyError]()
    for recording in list(recordings):
        if recording.words is None or not recording.words.done():
            continue
        try:
            words = recording.words.result()
        except ParleyError as error:
            recording.words = None
            failures.append(error)
        else:
            chat_input_bridge.append(words)
            recordings.remove(recording)  # at once: a script can end at any look at the session
    if failures:
        notices.say(failures[-1].sentence, failures[-1].code)
    elif not recordings and notices.code():
        notices.dismiss()
    return True


def _discard(recording_id: str) -> None:
    st.session_state["recordings"] = [each for each in _all() if each.id != recording_id]
    notices.dismiss()
