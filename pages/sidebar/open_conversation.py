"""Open a conversation, or one of its messages, in this tab."""

from __future__ import annotations

from pages.components import scroll
from pages.session import notices, tab_state


def open_message(conversation_id: str, message_id: str | None) -> None:
    """Open a conversation at a message, on the branch that contains it."""
    open_conversation(conversation_id)
    if message_id is not None:
        place = notices.attempt(tab_state.saved_service().messages.show, message_id)
        if place is not None:
            tab_state.widen_window_to(place)
            scroll.to_message(message_id)


def open_conversation(conversation_id: str) -> None:
    """Open a stored conversation at its end."""
    notices.dismiss()
    tab_state.show_conversation(conversation_id, is_temporary=False)
    scroll.to_end()
