"""The conversation list in the sidebar: pinned first, then grouped by date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import partial
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from chat import Conversation, ConversationView, ParleyError
from pages.components import current_item
from pages.markdown import sanitize
from pages.rendering import stale_elements
from pages.session import notices, tab_state
from pages.sidebar import open_conversation, search


def draw(view: ConversationView | None) -> None:
    """Render the list, or the search while it is open, and mark the conversation in view."""
    current = view.conversation if view is not None and not tab_state.is_temporary() else None
    with st.container(key="conversations", gap=None):
        current_item.draw(current)  # first, because the number of elements below varies
        is_searching = search.is_open()
        with stale_elements.single_slot("conversations", is_searching, gap=None):
            if is_searching:
                search.draw()
            else:
                stale_elements.fill("listed", _rows(current))


def _rows(current: Conversation | None) -> list[Callable[[], object]]:
    """Return functions that render the rows of the list, one element each."""
    service, count = tab_state.saved_service(), tab_state.list_length()
    try:
        pinned = service.conversations.pinned()
        found = service.conversations.latest(count + 1)
    except ParleyError as error:  # still render the rest of the page
        return [partial(notices.caption, error)]
    has_more, found = len(found) > count, found[:count]
    if current is not None and all(each.id != current.id for each in (*pinned, *found)):
        found.append(current)
    if not (pinned or found):
        return [partial(st.caption, "Your conversations will be listed here.")]
    rows = _group("Pinned", pinned, current)
    today = datetime.now(_zone()).date()
    for title, group in groupby(found, lambda each: period(_day(each), today)):
        rows += _group(title, group, current)
    if has_more:
        rows.append(_draw_more)
    return rows


def _draw_more() -> None:
    st.button(
        "Show more",
        key="list_more",
        type="tertiary",
        icon=":material/expand_more:",
        on_click=tab_state.extend_list,
    )


def period(day: date, today: date) -> str:
    """Return the heading of the group that a conversation of this day belongs to."""
    days = (today - day).days
    if days <= 0:
        return "Today"
    if days == 1:
        return "Yesterday"
    for most in (7, 30):
        if days <= most:
            return f"Previous {most} days"
    return f"{day:%B}" if day.year == today.year else f"{day.year}"


def _day(conversation: Conversation) -> date:
    return conversation.updated_at.astimezone(_zone()).date()


def _zone() -> tzinfo:
    """Return the time zone of the browser."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        behind = st.context.timezone_offset  # minutes, positive west of UTC
        return UTC if behind is None else timezone(timedelta(minutes=-behind))


def _group(
    title: str, conversations: Iterable[Conversation], current: Conversation | None
) -> list[Callable[[], object]]:
    rows = [partial(_draw_conversation, each, current) for each in conversations]
    return [partial(st.caption, title), *rows] if rows else []


def _draw_conversation(conversation: Conversation, current: Conversation | None) -> None:
    icon = ":material/keep:" if conversation.is_pinned else ":material/chat_bubble:"
    if conversation.is_running:
        icon = ":material/pending:"
    st.button(
        sanitize.plain_text(conversation.title),
        key=f"open_{conversation.id}",
        icon=icon,
        type="secondary" if current and current.id == conversation.id else "tertiary",
        width="stretch",
        wrap=False,
        on_click=open_conversation.open_conversation,
        args=(conversation.id,),
    )
