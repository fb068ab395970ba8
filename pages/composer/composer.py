"""The box at the bottom: what is typed is sent, or put back with a sentence that says why not."""

from __future__ import annotations

from typing import Any

import streamlit as st

from chat import File, NotUploaded, ParleyError, ReplyRunning, Submission, View, is_audio
from pages.components import chat_input_bridge
from pages.composer import dictation, pending_files, stop_button
from pages.rendering import widget_values
from pages.session import notices, tab_state, visitor

KEY = "composer"


def draw(view: View | None) -> None:
    is_busy = view is not None and view.running_id is not None
    if not is_busy:
        notices.forget(ReplyRunning.code)
    with st.bottom:
        # In a place of their own: what comes and goes must not move the recorder, which the browser
        # would load anew.
        with st.container(gap="small"):
            notices.draw()
            if view is not None and is_busy:
                stop_button.draw_stop(view.conversation.id)
            else:
                st.empty()
            dictation.draw_progress(is_busy=is_busy)
            pending_files.draw(_send_draft, is_busy=is_busy)
        beside = st.container(
            key="beside_composer", horizontal=True, vertical_alignment="center", gap="small"
        )
    settings = tab_state.service().settings
    if "draft" in st.session_state:
        widget_values.queue(KEY, st.session_state["draft"])
        st.session_state.pop("draft", None)
    widget_values.resend(KEY)
    # Outside of `st.bottom`: only then does Streamlit keep the newest text in view.
    st.chat_input(
        "Ask anything",
        key=KEY,
        on_submit=_submit,
        accept_file="multiple",
        accept_audio=not tab_state.service().voice_problem,
        max_upload_size=max(1, round(max(settings.max_file_mb, settings.max_recording_mb))),
    )
    with beside:  # after the box: the first recorder of a process takes a while to import
        dictation.draw_microphone()
        with st.container(key="limits"):
            st.caption(_limits(), text_alignment="right")


def _limits() -> str:
    settings = tab_state.service().settings
    return (
        f":small[Up to {settings.max_files} files of {settings.max_file_mb:g} MB: "
        "images, PDF, Word, Excel, text]"
    )


def _send_draft(text: str, may_truncate: bool) -> None:
    send(text, may_truncate=may_truncate)


def _submit() -> None:
    value: Any = st.session_state[KEY]
    st.session_state["box_was_sent"] = True
    if value is None or isinstance(value, str):
        send(value or "")
        return
    files = [
        File(chat_input_bridge.original_name(each.name), each.getvalue()) for each in value.files
    ]
    voices = [file for file in files if is_audio(file.name, file.data)]
    if recorded := value.get("audio"):
        voices.append(File("recording.wav", recorded.getvalue()))
    if problem := _keeps_back(voices):
        notices.say(problem.sentence, problem.code)
    elif not voices:
        send(value.text, files)
        return
    # Speech becomes text for the box, to be read before it is sent.
    others = [file for file in files if not is_audio(file.name, file.data)]
    tab_state.keep_files([*tab_state.kept_files(), *others])
    if problem:
        _put_back(value.text)
    else:
        if value.text:
            chat_input_bridge.append(value.text)  # the words follow it the same way
        dictation.keep(*voices)


def _keeps_back(voices: list[File]) -> ParleyError | None:
    """Why nothing of this can be sent as it is."""
    if names := chat_input_bridge.failed_uploads_at_submit():
        limit = f"{tab_state.service().settings.max_file_mb:g} MB"
        return NotUploaded(names[0], limit=limit)
    if voices and (sentence := tab_state.service().voice_problem):
        return ParleyError(sentence)
    return None


def start(text: str) -> None:
    """Send one of our own questions; a draft and files that wait stay where they are."""
    _sent(Submission(text))


def send(text: str, files: list[File] | None = None, *, may_truncate: bool = False) -> None:
    """Send `text` in the conversation in view, or in a new one, with the files that wait."""
    files = [*tab_state.kept_files(), *(files or [])]
    is_sent = False
    try:
        is_sent = _sent(Submission(text, tuple(files), may_truncate=may_truncate))
    finally:
        if not is_sent and not tab_state.sent():  # whatever went wrong, the words come back
            _put_back(text)
            tab_state.keep_files(files)


def _sent(submission: Submission) -> bool:
    sent = tab_state.sent()
    answer = notices.attempt(
        tab_state.service().send,
        visitor.owner(),
        tab_state.conversation_id(),
        submission,
        tab_state.draft_settings(),
        own=tab_state.own_key(),
    )
    if answer is None:
        return False
    # From here on a click may end this callback at any look at the session; see `state.take_up`.
    sent["answer"] = answer
    if submission.files:
        sent["files"] = True
    tab_state.apply_sent()
    return True


def _put_back(text: str) -> None:
    # The browser takes only what differs from what it was given before.
    if text and text == st.session_state.get("put_back"):
        text += " "
    st.session_state["put_back"] = text
    st.session_state["draft"] = text
