"""The composer: submits the message, or puts it back into the box with an error notice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from chat import (
    ConversationView,
    File,
    NotUploaded,
    ParleyError,
    ReplyRunning,
    Submission,
    is_audio,
)
from pages.components import chat_input_bridge
from pages.composer import dictation, pending_files, stop_button
from pages.rendering import widget_values
from pages.session import notices, tab_state

KEY = "composer"
MESSAGE_LOST = (
    "The connection was interrupted before your message arrived. It is back in the message box."
)


def draw(view: ConversationView | None) -> None:
    """Render the notice, Stop, recordings and pending files above the box, and the box itself."""
    is_busy = view is not None and view.running_id is not None
    if not is_busy:
        notices.forget(ReplyRunning.code)
    with st.bottom:
        # A container of their own: if these elements moved the recorder, the browser would reload
        # its iframe.
        with st.container(gap="small"):
            notices.draw()
            if view is not None and is_busy:
                stop_button.draw(view.conversation.id)
            else:
                st.empty()
            dictation.draw_progress(is_busy=is_busy)
            pending_files.draw(_submit_draft, _resolve, is_busy=is_busy)
        footer = st.container(
            key="beside_composer", horizontal=True, vertical_alignment="center", gap="small"
        )
    settings = tab_state.service().settings
    if "draft" in st.session_state:
        widget_values.queue(KEY, st.session_state["draft"])
        st.session_state.pop("draft", None)
    widget_values.resend(KEY)
    # Outside of `st.bottom`, otherwise Streamlit does not scroll with the newest text.
    st.chat_input(
        "Ask anything",
        key=KEY,
        on_submit=_on_submit,
        accept_file="multiple",
        accept_audio=not tab_state.service().speech.problem,
        max_upload_size=max(1, round(max(settings.max_file_mb, settings.max_recording_mb))),
    )
    with footer:  # after the box, because the first import of the recorder is slow
        dictation.draw_microphone()
        with st.container(key="limits"):
            st.caption(_limits(), text_alignment="right")


def _limits() -> str:
    settings = tab_state.service().settings
    return (
        f":small[Up to {settings.max_files} files of {settings.max_file_mb:g} MB: "
        "images, PDF, Word, Excel, text]"
    )


def _submit_draft(text: str, may_truncate: bool) -> None:
    try:
        send(text, may_truncate=may_truncate)
    finally:
        chat_input_bridge.confirm()


def _resolve(text: str, age: timedelta) -> bool:
    """Show the conversation of a message that may be lost, or put it back into the box.

    Returns False if the database cannot be read; the browser then asks again.
    """
    services = [tab_state.service()]
    if tab_state.is_temporary():  # the message may have been sent before
        services.append(tab_state.saved_service())
    try:
        found = [each.messages.conversation_of_sent(text, age) for each in services]
    except ParleyError:
        return False
    stored = next(filter(None, found), None)
    if stored is None:
        chat_input_bridge.append(text)
        notices.say(MESSAGE_LOST)
    elif tab_state.conversation_id() is None:
        tab_state.show_conversation(stored)
    return True


def _on_submit() -> None:
    try:
        _submit()
    finally:
        chat_input_bridge.confirm()


def _submit() -> None:
    value: Any = st.session_state[KEY]
    st.session_state["box_was_sent"] = True
    if value is None or isinstance(value, str):
        send(value or "")
        return
    files = [
        File(chat_input_bridge.original_name(each.name), each.getvalue()) for each in value.files
    ]
    recordings = [file for file in files if is_audio(file.name, file.data)]
    if recording := value.get("audio"):
        recordings.append(File("recording.wav", recording.getvalue()))
    if problem := _submit_problem(recordings):
        notices.say(problem.sentence, problem.code)
    elif not recordings:
        send(value.text, files)
        return
    # A recording is transcribed into the box, so that the user reads the text before sending it.
    others = [file for file in files if not is_audio(file.name, file.data)]
    tab_state.keep_files([*tab_state.kept_files(), *others])
    if problem:
        _restore_draft(value.text)
    else:
        if value.text:
            chat_input_bridge.append(value.text)  # the transcript is appended after it
        dictation.transcribe(*recordings)


def _submit_problem(recordings: list[File]) -> ParleyError | None:
    """Return why the submitted message cannot be sent, if so."""
    if names := chat_input_bridge.failed_uploads_at_submit():
        limit = f"{tab_state.service().settings.max_file_mb:g} MB"
        return NotUploaded(names[0], limit=limit)
    if recordings and (sentence := tab_state.service().speech.problem):
        return ParleyError(sentence)
    return None


def send_suggestion(text: str) -> None:
    """Send a suggested question without the draft and the pending files."""
    _send(Submission(text))


def send(text: str, files: list[File] | None = None, *, may_truncate: bool = False) -> None:
    """Send `text` with the pending files in the conversation in view, or in a new one."""
    pending = (*tab_state.kept_files(), *(files or []))
    files = [tab_state.in_chosen_encoding(file) for file in pending]
    is_sent = False
    try:
        is_sent = _send(Submission(text, tuple(files), may_truncate=may_truncate))
    finally:
        if not is_sent and not tab_state.sent():  # after any error the text is put back
            _restore_draft(text)
            tab_state.keep_files(files)


def _send(submission: Submission) -> bool:
    sent = tab_state.sent()
    answer = notices.attempt(
        tab_state.service().messages.send,
        tab_state.conversation_id(),
        submission,
        tab_state.draft_settings(),
        own=tab_state.own_key(),
    )
    if answer is None:
        return False
    # From here on, session access can end this callback; `apply_sent` then runs in the next run.
    sent["answer"] = answer
    if submission.files:
        sent["files"] = True
    tab_state.apply_sent()
    return True


def _restore_draft(text: str) -> None:
    # The browser ignores a value that equals the last one it was sent.
    if text and text == st.session_state.get("put_back"):
        text += " "
    st.session_state["put_back"] = text
    st.session_state["draft"] = text
