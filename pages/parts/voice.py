"""Speech to text: record, wait for the words, and put them into the box. Nothing is sent by itself.

A recording lives in this tab's memory until its text has arrived or it is discarded.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from chat import File, ParleyError
from pages.parts import box, microphone, notices, state


def draw_microphone() -> None:
    """The recorder, or why there is none."""
    if problem := state.service().voice_problem:
        st.button("Dictate", key="mic", icon=":material/mic_off:", disabled=True)
        st.caption(problem, width="content")
        return
    # Not at the top: the recorder registers with the running server when it is imported.
    from streamlit_mic_recorder import mic_recorder

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
    microphone.draw()


def keep(*recordings: File) -> None:
    """Hold recordings and begin to turn them into text."""
    st.session_state["recordings"] = [*st.session_state.get("recordings", []), *recordings]
    _begin()


def draw_progress() -> None:
    """What becomes of the recordings: in work, or failed and to be tried again."""
    if not st.session_state.get("recordings"):
        st.empty()
    elif "transcript" in st.session_state:
        with st.container(key="transcribing"):
            _wait()
    else:
        with st.container(key="recording", horizontal=True, vertical_alignment="center"):
            st.markdown(":small[:material/mic: The recording is kept.]")
            _button("Try again", "refresh", "transcribe_again", _begin)
            _button("Discard", "delete", "discard_recording", _discard)


def _button(label: str, icon: str, key: str, action: Callable[[], None]) -> None:
    st.button(
        f":small[{label}]",
        key=key,
        icon=f":material/{icon}:",
        type="tertiary",
        on_click=action,
    )


def _begin() -> None:
    """Have the first recording turned into text; the others follow it."""
    st.session_state.pop("transcript", None)
    recording = st.session_state["recordings"][0]
    begun = notices.attempt(state.service().transcribe, state.owner(), recording)
    if begun is not None:
        st.session_state["transcript"] = begun


@st.fragment(run_every=0.25)
def _wait() -> None:
    transcript = st.session_state.get("transcript")
    if transcript is None:
        return
    st.markdown(":small[:material/mic: :shimmer[Turning speech into text…]]")
    if not transcript.done():
        return
    del st.session_state["transcript"]
    try:
        text = transcript.result()
    except ParleyError as error:
        notices.say(error.sentence, error.code)
    else:
        notices.dismiss()
        box.append(text)
        st.session_state["recordings"].pop(0)
        if st.session_state["recordings"]:
            _begin()
    st.rerun()


def _discard() -> None:
    st.session_state.pop("recordings", None)
    st.session_state.pop("transcript", None)
    notices.dismiss()
