"""The box at the bottom: what is typed is sent, or put back with a sentence that says why not."""

from __future__ import annotations

from typing import Any

import streamlit as st

from chat import CannotSee, File, ReplyRunning, Submission, View, is_audio
from pages.parts import live, notices, scroll, state, tray, voice

KEY = "composer"


def draw(view: View | None) -> None:
    if view is None or view.running_id is None:
        notices.forget(ReplyRunning.code)
    if not state.kept_files():
        notices.forget(CannotSee.code)
    with st.bottom:
        notices.draw()
        if view is not None and view.running_id:
            live.draw_stop(view.conversation.id)
        else:
            st.empty()
        voice.draw_progress()
        tray.draw(_send_draft)
        with st.container(
            key="beside_composer", horizontal=True, vertical_alignment="center", gap="small"
        ):
            voice.draw_microphone()
            with st.container(key="limits"):
                st.caption(_limits(), text_alignment="right")
    settings = state.service().settings
    # Outside of `st.bottom`: only then does Streamlit keep the newest text in view.
    st.chat_input(
        "Ask anything",
        key=KEY,
        on_submit=_submit,
        accept_file="multiple",
        accept_audio=not state.service().voice_problem,
        max_upload_size=max(1, round(max(settings.max_file_mb, settings.max_recording_mb))),
    )


def _limits() -> str:
    settings = state.service().settings
    return (
        f":small[Up to {settings.max_files} files of {settings.max_file_mb:g} MB: "
        "images, PDF, Word, Excel, text]"
    )


def _send_draft(text: str, may_cut: bool) -> None:
    send(text, may_cut=may_cut)


def _submit() -> None:
    value: Any = st.session_state[KEY]
    if value is None or isinstance(value, str):
        send(value or "")
        return
    files = [File(each.name, each.getvalue()) for each in value.files]
    voices = [file for file in files if is_audio(file.name, file.data)]
    if recorded := value.get("audio"):
        voices.append(File("recording.wav", recorded.getvalue()))
    if not voices:
        send(value.text, files)
        return
    # Speech becomes text for the box, to be read before it is sent.
    others = [file for file in files if not is_audio(file.name, file.data)]
    state.keep_files([*state.kept_files(), *others])
    st.session_state[KEY] = value.text
    voice.keep(*voices)


def send(text: str, files: list[File] | None = None, *, may_cut: bool = False) -> None:
    """Send `text` in the conversation in view, or in a new one, with the files that wait."""
    files = [*state.kept_files(), *(files or [])]
    answer = None
    try:
        answer = notices.attempt(
            state.service().send,
            state.owner(),
            state.conversation_id(),
            Submission(text, tuple(files), may_cut=may_cut),
            state.draft_settings(),
        )
    finally:
        if answer is None:
            st.session_state[KEY] = text  # whatever went wrong, the words come back
            state.keep_files(files)
    if answer is not None:
        state.keep_files([])
        state.show_conversation(answer.conversation_id)
        scroll.wish(answer.id)
