"""Helpers that fill a store with conversations and search it."""

from __future__ import annotations

from sqlalchemy import text

from chat.domain.ids import new_id
from chat.domain.message import Message, Status
from chat.domain.search_query import parse_query
from chat.domain.writes import NewAnswer, NewQuestion
from chat.store import Outcome, Store
from chat.store.search.hits import Hit
from chat.store.search.search import SearchStore

ME = "visitor:me"


def ask(
    store: Store,
    words: str,
    conversation: str | None = None,
    *,
    owner: str = ME,
    title: str = "Untitled",
    model: str = "scripted/one",
) -> Message:
    """Store a question and return its answer, which is still running."""
    question = NewQuestion(words, tokens=1, is_exact=True)
    answer = NewAnswer(new_id(), model, "w")
    return store.messages.send(owner, conversation, question, answer, title=title)


def say(store: Store, words: str, reply: str = "Fine.", /, **more: str) -> Message:
    """Store a question and a complete answer; return the answer."""
    sent = ask(store, words, **more)
    store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, reply))
    return store.messages.get(more.get("owner", ME), sent.id)


def find(store: Store, typed: str, owner: str = ME, limit: int = 20, offset: int = 0) -> list[Hit]:
    """Search as the search box does, from the text that was typed."""
    return SearchStore(store.engine).search(owner, parse_query(typed), limit, offset)


def marked(hit: Hit) -> list[str]:
    """Return the highlighted parts of a hit's snippet."""
    return [piece for piece, is_match in hit.snippet if is_match]


def change(store: Store, statement: str, **values: object) -> None:
    """Execute one SQL statement in a write transaction."""
    with store.engine.execution_options(writes=True).begin() as connection:
        connection.execute(text(statement), values)
