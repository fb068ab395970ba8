"""The box at the bottom: what is typed is sent, or put back with a sentence that says why not."""

from __future__ import annotations

from typing import Any

import streamlit as st

from chat import File, NotUploaded, ParleyError, ReplyRunning, Submission, View, is_audio
from pages.parts import box, giving, identity, live, notices, state, tray, voice

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
                live.draw_stop(view.conversation.id)
            else:
                st.empty()
            voice.draw_progress(is_busy=is_busy)
            tray.draw(_send_draft, is_busy=is_busy)
        beside = st.container(
            key="beside_composer", horizontal=True, vertical_alignment="center", gap="small"
        )
    settings = state.service().settings
    if "draft" in st.session_state:
        giving.note(KEY, st.session_state["draft"])
        st.session_state.pop("draft", None)
    giving.again(KEY)
    # Outside of `st.bottom`: only then does Streamlit keep the newest text in view.
    st.chat_input(
        "Ask anything",
        key=KEY,
        on_submit=_submit,
        accept_file="multiple",
        accept_audio=not state.service().voice_problem,
        max_upload_size=max(1, round(max(settings.max_file_mb, settings.max_recording_mb))),
    )
    with beside:  # after the box: the first recorder of a process takes a while to import
        voice.draw_microphone()
        with st.container(key="limits"):
            st.caption(_limits(), text_alignment="right")


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
    st.session_state["box_was_sent"] = True
    if value is None or isinstance(value, str):
        send(value or "")
        return
    files = [File(box.named(each.name), each.getvalue()) for each in value.files]
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
    state.keep_files([*state.kept_files(), *others])
    if problem:
        _put_back(value.text)
    else:
        if value.text:
            box.append(value.text)  # the words follow it the same way
        voice.keep(*voices)


def _keeps_back(voices: list[File]) -> ParleyError | None:
    """Why nothing of this can be sent as it is."""
    if names := box.failed_when_sent():
        limit = f"{state.service().settings.max_file_mb:g} MB"
        return NotUploaded(names[0], limit=limit)
    if voices and (sentence := state.service().voice_problem):
        return ParleyError(sentence)
    return None


def start(text: str) -> None:
    """Send one of our own questions; a draft and files that wait stay where they are."""
    _sent(Submission(text))


def send(text: str, files: list[File] | None = None, *, may_cut: bool = False) -> None:
    """Send `text` in the conversation in view, or in a new one, with the files that wait."""
    files = [*state.kept_files(), *(files or [])]
    is_sent = False
    try:
        is_sent = _sent(Submission(text, tuple(files), may_cut=may_cut))
    finally:
        if not is_sent and not state.sent():  # whatever went wrong, the words come back
            _put_back(text)
            state.keep_files(files)


def _sent(submission: Submission) -> bool:
    sent = state.sent()
    answer = notices.attempt(
        state.service().send,
        identity.owner(),
        state.conversation_id(),
        submission,
        state.draft_settings(),
        own=state.own_key(),
    )
    if answer is None:
        return False
    # From here on a click may end this callback at any look at the session; see `state.take_up`.
    sent["answer"] = answer
    if submission.files:
        sent["files"] = True
    state.take_up()
    return True


def _put_back(text: str) -> None:
    # The browser takes only what differs from what it was given before.
    if text and text == st.session_state.get("put_back"):
        text += " "
    st.session_state["put_back"] = text
    st.session_state["draft"] = text
