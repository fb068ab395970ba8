"""Speech to text: record, transcribe, and append the transcript to the draft for review.

A recording is held in the tab's memory until it is transcribed or discarded.
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
from pages.session import notices, tab_state


@dataclass
class Recording:
    """A recording and its pending transcript, which is None after a failure."""

    id: str
    file: File
    transcript: Future[str] | None = None


def draw_microphone() -> None:
    """Render the recorder, or a disabled button and the reason."""
    if problem := tab_state.service().speech.problem:
        st.button("Dictate", key="mic", icon=":material/mic_off:", disabled=True)
        st.caption(problem, width="content")
        return
    # Imported here, because the module registers its component with the running server.
    from streamlit_mic_recorder import mic_recorder

    if any(each.transcript is not None for each in _recordings()):
        # The component resends its last recording in every run until it is unmounted.
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
        transcribe(File("recording.wav", recorded["bytes"]))
        st.rerun()  # its progress is rendered above
    microphone_permission.draw()


def transcribe(*files: File) -> None:
    """Hold recordings and start to transcribe them."""
    for file in files:
        recording = Recording(secrets.token_hex(4), file)
        _recordings().append(recording)
        _start(recording.id)


def draw_progress(*, is_busy: bool) -> None:
    """Render the recordings: being transcribed, or failed and to be retried.

    Fragments do not run while a reply is followed; `tab_state.checkpoint` then checks for
    transcripts.
    """
    if _collect_transcripts():
        st.rerun()
    tab_state.await_transcripts(
        [each.transcript for each in _recordings() if each.transcript is not None]
    )
    with st.container(key="recordings", gap="xsmall"):
        if any(each.transcript is not None for each in _recordings()):
            if is_busy:
                _draw_waiting()
            else:
                _poll()
        else:
            st.empty()
        failed = [each for each in _recordings() if each.transcript is None]
        with stale_elements.single_slot("recordings", tuple(each.id for each in failed)):
            for recording in failed:
                _draw_failed(recording)


def _draw_waiting() -> None:
    st.markdown(":small[:material/mic: :shimmer[Transcribing…]]")


@st.fragment(run_every=0.25)
def _poll() -> None:
    _draw_waiting()
    if _is_any_done():
        st.rerun()


def _draw_failed(recording: Recording) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = sanitize.plain_text(recording.file.name)
        st.markdown(f":small[:material/mic: {name} was not transcribed]")
        _button("Try again", "refresh", f"transcribe_again_{recording.id}", _start, recording.id)
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


def _recordings() -> list[Recording]:
    recordings: list[Recording] = st.session_state.setdefault("recordings", [])
    return recordings


def _start(recording_id: str) -> None:
    for recording in _recordings():
        if recording.id == recording_id:
            recording.transcript = notices.attempt(
                tab_state.service().speech.transcribe, recording.file
            )


def _is_any_done() -> bool:
    return any(each.transcript is not None and each.transcript.done() for each in _recordings())


def _collect_transcripts() -> bool:
    """Append finished transcripts to the draft; return whether any finished or failed."""
    if not _is_any_done():
        return False
    recordings, failures = _recordings(), list[ParleyError]()
    for recording in list(recordings):
        if recording.transcript is None or not recording.transcript.done():
            continue
        try:
            text = recording.transcript.result()
        except ParleyError as error:
            recording.transcript = None
            failures.append(error)
        else:
            chat_input_bridge.append(text)
            recordings.remove(recording)  # immediately, because session access can end the script
    if failures:
        notices.say(failures[-1].sentence, failures[-1].code)
    elif not recordings and notices.code():
        notices.dismiss()
    return True


def _discard(recording_id: str) -> None:
    st.session_state["recordings"] = [each for each in _recordings() if each.id != recording_id]
    notices.dismiss()
