"""The conversations in the sidebar: pinned ones first, then by date; the one in view is marked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from chat import Conversation, ParleyError, View
from pages.parts import notices, opening, search, state
from pages.text import markdown


def draw(view: View | None) -> None:
    service, owner = state.stored(), state.owner()
    with st.container(key="conversations", gap=None):
        if search.is_open():
            search.draw()
            return
        count = state.listed()
        try:
            pinned = service.pinned(owner)
            found = service.conversations(owner, count + 1)
        except ParleyError as error:  # the box and what was typed into it stay
            notices.caption(error)
            return
        has_more, found = len(found) > count, found[:count]
        shown = view.conversation if view is not None and not state.is_temporary() else None
        if shown is not None and all(each.id != shown.id for each in (*pinned, *found)):
            found.append(shown)
        if not (pinned or found):
            st.caption("Your conversations will be listed here.")
        _draw_group("Pinned", pinned, shown)
        today = datetime.now(_zone()).date()
        for title, group in groupby(found, lambda each: period(_day(each), today)):
            _draw_group(title, group, shown)
        if has_more:
            st.button(
                "Show more",
                key="list_more",
                type="tertiary",
                icon=":material/expand_more:",
                on_click=state.list_more,
            )


def period(day: date, today: date) -> str:
    """What people call the time since `day`."""
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
    """The time zone of the browser."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        behind = st.context.timezone_offset  # minutes, as browsers tell it
        return UTC if behind is None else timezone(timedelta(minutes=-behind))


def _draw_group(
    title: str, conversations: Iterable[Conversation], shown: Conversation | None
) -> None:
    for number, conversation in enumerate(conversations):
        if not number:
            st.caption(title)
        _draw_conversation(conversation, is_shown=shown is not None and shown.id == conversation.id)


def _draw_conversation(conversation: Conversation, *, is_shown: bool) -> None:
    icon = ":material/keep:" if conversation.is_pinned else ":material/chat_bubble:"
    if conversation.is_running:
        icon = ":material/pending:"
    st.button(
        markdown.line(conversation.title),
        key=f"open_{conversation.id}",
        icon=icon,
        type="secondary" if is_shown else "tertiary",
        width="stretch",
        wrap=False,
        on_click=opening.open_conversation,
        args=(conversation.id,),
    )
