"""Search: titles and messages, opened where they match.

In the sidebar it stands in place of the list, and in the main script, so that it also works while
a reply is written. On the History page it has more room and shows as many as are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from chat import Hit, ParleyError, is_searchable
from pages.components import focus
from pages.markdown import sanitize
from pages.rendering import stale_elements
from pages.session import notices, tab_state, visitor
from pages.sidebar import open_conversation

KEY = "search_text"
PAGE_KEY = "history_search"
AT_ONCE = 20  # hits on the History page before more are asked for

_PREFIXES = (
    'Words and numbers are searched. Several must all occur; "words in quotes" stand together. '
    "Narrow it down with model:gpt, after:2026-01, before:2026-03-15, is:pinned or has:file."
)


def is_open() -> bool:
    return bool(st.session_state.get("is_searching"))


def toggle() -> None:
    st.session_state["is_searching"] = not is_open()
    st.session_state[KEY] = ""  # said to the browser, too, which may have kept the box


def draw() -> None:
    """In the sidebar."""
    text = _draw_box(KEY)
    focus.draw(KEY)
    with st.container(gap=None):
        stale_elements.fill("hits", _rows(text))


def _rows(text: str) -> list[Callable[[], object]]:
    try:
        found = tab_state.stored().search(visitor.owner(), text)
    except ParleyError as error:
        return [partial(notices.caption, error)]
    if text.strip() and not found:
        return [partial(st.caption, _nothing(text))]
    return [row for hit in found for row in _hit_rows(hit)]


def draw_page() -> None:
    """On a page of its own; a hit leads to the chat."""
    text = _draw_box(PAGE_KEY)
    most = AT_ONCE * int(st.session_state.get("history_pages", 1))
    found = tab_state.stored().search(visitor.owner(), text, limit=most + 1)
    if not text.strip():
        st.caption(_PREFIXES)
    elif not found:
        st.caption(_nothing(text, "Fewer words, or the beginning of one, find more."))
    with st.container(key="found", gap="xsmall"):
        for hit in found[:most]:
            if any(row() for row in _hit_rows(hit)):
                st.switch_page(
                    "pages/screens/conversation.py", query_params={"c": hit.conversation_id}
                )
    if len(found) > most:
        st.button("Show more", key="found_more", icon=":material/expand_more:", on_click=_more)


def _nothing(text: str, advice: str = "") -> str:
    if not is_searchable(text):
        return "Only words and numbers are searched. Type one, or the beginning of one."
    return f"Nothing found. {advice}".rstrip()


def _draw_box(key: str) -> str:
    text = st.text_input(
        "Search your conversations",
        key=key,
        type="search",
        live=True,
        placeholder="Words, model:, after:, is:pinned",
        label_visibility="collapsed",
        on_change=lambda: st.session_state.pop("history_pages", None),
    )
    return text or ""


def _hit_rows(hit: Hit) -> list[Callable[[], object]]:
    """Its title, which is true once it is pressed, and the place in the message."""
    title = partial(_draw_title, hit)
    return [title, partial(_draw_place, hit)] if hit.message_id else [title]


def _draw_title(hit: Hit) -> bool:
    return st.button(
        sanitize.plain_text(hit.title),
        key=f"found_{hit.message_id or hit.conversation_id}",
        icon=":material/keep:" if hit.is_pinned else ":material/chat_bubble:",
        type="tertiary",
        width="stretch",
        wrap=False,
        on_click=_open,
        args=(hit.conversation_id, hit.message_id),
    )


def _draw_place(hit: Hit) -> None:
    st.caption(_marked(hit))


def _marked(hit: Hit) -> str:
    """The place in the message, what was looked for in bold."""
    pieces = (
        (piece, sanitize.plain_text(piece.strip()), is_match)
        for piece, is_match in hit.snippet
        if piece
    )
    written = ""
    for piece, text, is_match in pieces:
        before = " " if piece[:1].isspace() else ""
        after = " " if piece[-1:].isspace() else ""
        written += before + (f"**{text}**" if is_match and text else text) + after
    return written


def _more() -> None:
    st.session_state["history_pages"] = int(st.session_state.get("history_pages", 1)) + 1


def _open(conversation_id: str, message_id: str | None) -> None:
    st.session_state["is_searching"] = False
    st.session_state.pop(KEY, None)
    open_conversation.open_message(conversation_id, message_id)
