"""Search in titles and messages, with results that open at the matching message.

In the sidebar it replaces the conversation list and is not a fragment, so that it also works while
a reply is followed. The History page shows more results, page by page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from chat import Hit, ParleyError, is_searchable
from pages.components import focus
from pages.markdown import sanitize
from pages.rendering import stale_elements
from pages.session import notices, tab_state
from pages.sidebar import open_conversation

KEY = "search_text"
PAGE_KEY = "history_search"
PAGE_SIZE = 20  # results on the History page

_HELP = (
    'Finds titles and messages with all your words. Use "quotes" for a phrase; '
    "filters: model:gpt, after:2026-01, before:2026-03-15, is:pinned, has:file."
)


def is_open() -> bool:
    return bool(st.session_state.get("is_searching"))


def toggle() -> None:
    st.session_state["is_searching"] = not is_open()
    st.session_state[KEY] = ""  # also clears the text box if the browser has kept it


def draw() -> None:
    """Render the search in the sidebar."""
    text = _draw_text_input(KEY)
    focus.draw(KEY)
    with st.container(gap=None):
        stale_elements.fill("hits", _rows(text))


def _rows(text: str) -> list[Callable[[], object]]:
    try:
        found = tab_state.saved_service().conversations.search(text)
    except ParleyError as error:
        return [partial(notices.caption, error)]
    if text.strip() and not found:
        return [partial(st.caption, _no_results(text))]
    return [row for hit in found for row in _hit_rows(hit)]


def draw_page() -> None:
    """Render the search on the History page; a result opens the chat screen."""
    text = _draw_text_input(PAGE_KEY)
    limit = PAGE_SIZE * int(st.session_state.get("history_pages", 1))
    found = tab_state.saved_service().conversations.search(text, limit=limit + 1)
    if not text.strip():
        st.caption(_HELP)
    elif not found:
        st.caption(_no_results(text, "Try fewer words, or only the beginning of a word."))
    with st.container(key="found", gap="xsmall"):
        for hit in found[:limit]:
            if any(row() for row in _hit_rows(hit)):
                st.switch_page(
                    "pages/screens/conversation.py", query_params={"c": hit.conversation_id}
                )
    if len(found) > limit:
        st.button("Show more", key="found_more", icon=":material/expand_more:", on_click=_show_more)


def _no_results(text: str, advice: str = "") -> str:
    if not is_searchable(text):
        return "Only words and numbers can be searched. Type one, or the beginning of one."
    return f"Nothing found. {advice}".rstrip()


def _draw_text_input(key: str) -> str:
    text = st.text_input(
        "Search your conversations",
        key=key,
        type="search",
        live=True,
        placeholder="Search conversations",
        label_visibility="collapsed",
        on_change=lambda: st.session_state.pop("history_pages", None),
    )
    return text or ""


def _hit_rows(hit: Hit) -> list[Callable[[], object]]:
    """Return functions that render a result. The first, its title, returns True if clicked."""
    title = partial(_draw_title, hit)
    return [title, partial(_draw_snippet, hit)] if hit.message_id else [title]


def _draw_title(hit: Hit) -> bool:
    return st.button(
        sanitize.plain_text(hit.title),
        key=f"found_{hit.message_id or hit.conversation_id}",
        icon=":material/keep:" if hit.is_pinned else ":material/chat_bubble:",
        type="tertiary",
        width="stretch",
        wrap=False,
        on_click=_open_hit,
        args=(hit.conversation_id, hit.message_id),
    )


def _draw_snippet(hit: Hit) -> None:
    st.caption(_highlighted(hit))


def _highlighted(hit: Hit) -> str:
    """Return the snippet of a result as Markdown with the matches in bold."""
    parts = (
        (part, sanitize.plain_text(part.strip()), is_match)
        for part, is_match in hit.snippet
        if part
    )
    written = ""
    for part, text, is_match in parts:
        before = " " if part[:1].isspace() else ""
        after = " " if part[-1:].isspace() else ""
        written += before + (f"**{text}**" if is_match and text else text) + after
    return written


def _show_more() -> None:
    st.session_state["history_pages"] = int(st.session_state.get("history_pages", 1)) + 1


def _open_hit(conversation_id: str, message_id: str | None) -> None:
    st.session_state["is_searching"] = False
    st.session_state.pop(KEY, None)
    open_conversation.open_message(conversation_id, message_id)
