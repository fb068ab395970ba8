"""The action row below a message: versions, edit, retry, continue, copy and delete."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from chat import ConversationView, Message, ReplyRunning, Role, Status
from pages.components import clipboard, focus, scroll
from pages.markdown import sanitize
from pages.session import notices, tab_state


def draw(view: ConversationView, message: Message) -> None:
    """Render the action row of a message; for a reply also its model, duration and tokens."""
    is_busy = view.running_id is not None
    with st.container(
        key=f"actions_{message.id}",
        horizontal=True,
        gap="small",
        vertical_alignment="center",
    ):
        _draw_versions(view, message)
        if message.role is Role.USER:
            _button("edit", message, "edit", _edit, is_disabled=is_busy)
        else:
            if message.is_cut and message.id == view.messages[-1].id:
                _button("continue", message, "play_arrow", _continue, is_disabled=is_busy)
            _button("retry", message, "refresh", retry, is_disabled=is_busy)
        if message.text:
            clipboard.draw_button(message.text, key=f"copy_{message.id}")
        _button("delete", message, "delete", _delete, is_disabled=is_busy)
        if message.role is Role.ASSISTANT and message.status is not Status.FAILED:
            st.caption(_facts(message), width="content")


def draw_deleted(view: ConversationView, message: Message) -> None:
    """Render the action row of a deleted version: the other versions and Restore."""
    with st.container(
        key=f"actions_{message.id}", horizontal=True, gap="small", vertical_alignment="center"
    ):
        _draw_versions(view, message)
        _button("restore", message, "undo", _restore, is_disabled=view.running_id is not None)


def _button(
    name: str, message: Message, icon: str, action: Callable[[str], None], *, is_disabled: bool
) -> None:
    # Without `help`, because Streamlit would render a second, hidden button for the tooltip.
    st.button(
        name.capitalize(),
        key=f"{name}_{message.id}",
        icon=f":material/{icon}:",
        type="tertiary",
        disabled=is_disabled,
        on_click=action,
        args=(message.id,),
    )


def _draw_versions(view: ConversationView, message: Message) -> None:
    versions = view.versions[message.id]
    if versions.count < 2:
        return
    st.button(
        ":material/chevron_left:",
        key=f"version_prev_{message.id}",
        type="tertiary",
        disabled=versions.previous_id is None,
        on_click=_show_version,
        args=(versions.previous_id,),
    )
    st.markdown(f":small[{versions.position}/{versions.count}]")
    st.button(
        ":material/chevron_right:",
        key=f"version_next_{message.id}",
        type="tertiary",
        disabled=versions.next_id is None,
        on_click=_show_version,
        args=(versions.next_id,),
    )


def _facts(message: Message) -> str:
    facts = [sanitize.plain_text(tab_state.service().models.label(message.model))]
    if message.total_ms is not None:
        facts.append(f"{message.total_ms / 1000:.1f} s")
    if message.usage is not None:
        about = "" if message.usage.is_reported else "≈ "
        facts.append(about + _tokens(message.usage.completion_tokens))
    elif message.tokens:
        facts.append(("" if message.is_exact else "≈ ") + _tokens(message.tokens))
    return " · ".join(facts)


def draw_editor(message: Message) -> None:
    """Render a form to edit a question and send it as a new version."""
    with st.form(f"edit_form_{message.id}", border=False):
        st.text_area(
            "Edit your message",
            value=message.text,
            key=f"edit_text_{message.id}",
            label_visibility="collapsed",
            height="content",
        )
        focus.draw(f"edit_text_{message.id}")
        for file in message.attachments:
            st.checkbox(
                f"Send {sanitize.plain_text(file.name)} again",
                value=True,
                key=f"edit_file_{file.id}",
            )
        with st.container(horizontal=True):
            st.form_submit_button(
                "Send",
                key=f"edit_send_{message.id}",
                type="primary",
                icon=":material/send:",
                on_click=_send_edit,
                args=(message.id, [file.id for file in message.attachments]),
            )
            st.form_submit_button(
                "Cancel", key=f"edit_cancel_{message.id}", on_click=tab_state.edit, args=(None,)
            )


def _edit(message_id: str) -> None:
    """Open the editor, unless a reply is running that this page does not show yet."""
    if is_running := notices.attempt(_is_running):
        notices.say(ReplyRunning.sentence, ReplyRunning.code)
    elif is_running is not None:
        tab_state.edit(message_id)


def _is_running() -> bool:
    return _current_view().running_id is not None


def _current_view() -> ConversationView:
    """Return the current state of the conversation in view, with its last messages only."""
    return tab_state.service().conversations.open(tab_state.conversation_id() or "", 1)


def _send_edit(message_id: str, files: list[str]) -> None:
    text = st.session_state[f"edit_text_{message_id}"]
    keep = [file for file in files if st.session_state[f"edit_file_{file}"]]
    own = tab_state.own_key()
    if answer := notices.attempt(
        tab_state.service().messages.edit, message_id, text, keep, own=own
    ):
        tab_state.edit(None)
        scroll.to_answer(answer.id)


def retry_last() -> None:
    """Retry the newest answer, which may be newer than the one in view."""
    view = notices.attempt(_current_view)
    if view and view.messages and view.messages[-1].role is Role.ASSISTANT:
        retry(view.messages[-1].id)


def retry(message_id: str) -> None:
    own = tab_state.own_key()
    if answer := notices.attempt(tab_state.service().messages.retry, message_id, own=own):
        scroll.to_answer(answer.id)


def _continue(message_id: str) -> None:
    own = tab_state.own_key()
    notices.attempt(tab_state.service().messages.continue_, message_id, own=own)


def _show_version(message_id: str) -> None:
    notices.attempt(tab_state.service().messages.show_version, message_id)


def _restore(message_id: str) -> None:
    notices.attempt(tab_state.service().messages.undelete, message_id)


def _delete(message_id: str) -> None:
    if notices.succeeds(tab_state.service().messages.delete, message_id):
        notices.offer_undo("Message deleted.", notices.Undo.MESSAGE, message_id)


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count:,} tokens"
