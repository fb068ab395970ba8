"""Release of a reservation while another process checks the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from chat.domain.calls import CallKind, EndedCall, NewCall
from chat.domain.limits import LimitRules, Limits
from chat.domain.message import Status
from chat.errors import LimitReached, TokenLimitReached
from chat.store import Store

ME = "visitor:me"
# On SQLite both queries read the same snapshot.
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def another(database_url: str) -> Iterator[Store]:
    """The store of another process."""
    another = Store(database_url)
    yield another
    another.close()


def call(rules: LimitRules) -> NewCall:
    call = NewCall(ME, "some/model", CallKind.REPLY, "here:1:a", rules=rules)
    return replace(call, reserved_tokens=600, reserved_nanos=600)


def end(store: Store, call: NewCall, tokens: int) -> None:
    store.ledger.end(EndedCall(call.id, Status.COMPLETE, tokens, 0, True, tokens))


def after_counting(store: Store, act: Callable[[], object]) -> None:
    """Call `act` once, between the query of the sum and the query of the next release."""
    acts = [act]

    def look(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "sum(ledger.limit_tokens) AS tokens" in statement and acts:
            acts.pop()()

    event.listen(store.engine, "after_cursor_execute", look)


@on_postgres
@pytest.mark.parametrize(
    "rules",
    [
        LimitRules(Limits(tokens_per_day=1_000), Limits()),
        LimitRules(Limits(), Limits(tokens_per_day=1_000)),
        LimitRules(Limits(nanos_per_day=1_000), Limits()),
    ],
    ids=["tokens", "tokens of all", "dollars"],
)
def test_reservation_released_during_the_check_can_be_used(
    store: Store, another: Store, rules: LimitRules
) -> None:
    first = call(rules)
    store.ledger.add(first)
    after_counting(store, lambda: end(another, first, 10))
    store.ledger.add(call(rules))
    with pytest.raises(LimitReached):
        store.ledger.add(call(rules))


@on_postgres
def test_call_over_the_limit_after_a_release_is_refused(store: Store, another: Store) -> None:
    rules = LimitRules(Limits(tokens_per_day=1_000), Limits())
    first = call(rules)
    store.ledger.add(first)
    after_counting(store, lambda: end(another, first, 500))
    with pytest.raises(TokenLimitReached):
        store.ledger.add(call(rules))
