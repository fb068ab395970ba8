"""The access code: it lets in for good, and cannot be guessed. And taking along what one had."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import count
from secrets import token_hex, token_urlsafe

import pytest

from chat import ChatService, File, Submission, visitor_from_cookie
from chat.config.settings import Settings
from chat.errors import LockedOut, NotFound, ParleyError, WrongCode
from chat.services.access import LOCKOUT, MAX_GUESSES, MAX_GUESSES_OF_ALL, AccessService
from chat.store import Store
from chat.store.schema import Base
from tests.support.databases import postgres_database
from tests.support.scripted_provider import ScriptedProvider

CODE = "open sesame"
days = count()


class Door(AccessService):
    """What guards the way in, at one database; each test comes on a day of its own."""

    def __init__(self, store: Store, code: str | None = CODE) -> None:
        super().__init__(Settings(access_code=code), store)
        self.store = store

    def rows(self, table: str) -> list[tuple[object, ...]]:
        with self.store.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Store]]:
    """One database, opened by two processes."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('access') / 'parley.db'}"
        if request.param == "postgres":
            url = stack.enter_context(postgres_database(request.getfixturevalue("postgres")))
        yield [stack.enter_context(closing(Store(url))) for _ in range(2)]


@pytest.fixture(scope="module")
def door(stores: list[Store]) -> Door:
    return Door(stores[0])


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 5, 4, 12, tzinfo=UTC) + timedelta(days=next(days))


@pytest.fixture
def me() -> str:
    return f"visitor:{token_hex(20)}"


def guess(door: Door, code: str, owner: str, at: datetime, address: str = "1.1.1.1") -> str:
    """The code of the error, or "" for whoever is let in."""
    try:
        door.enter(owner, code, address, at)
    except ParleyError as error:
        return error.code
    return ""


def test_who_knows_the_code_is_let_in_until_it_changes(door: Door, me: str, now: datetime) -> None:
    assert not door.has_entered(me)
    assert guess(door, "open barley", me, now) == WrongCode.code
    assert guess(door, f" {CODE} ", me, now) == ""
    assert door.has_entered(me) and not door.has_entered("visitor:other")
    assert Door(door.store).has_entered(me)
    assert not Door(door.store, "another code").has_entered(me)
    assert Door(door.store, None).has_entered("visitor:other")
    assert not door.has_entered("")
    assert guess(door, CODE, "", now) == NotFound.code


def test_nothing_else_is_the_code(door: Door, now: datetime) -> None:
    wrong = ["", CODE.upper(), CODE + "x", "\ud800", "x" * 100_000, "\0"]
    for number, code in enumerate(wrong):
        owner = f"visitor:{number}"
        assert guess(door, code, owner, now, f"1.1.1.{number}") == WrongCode.code
        assert not door.has_entered(owner)


def test_after_five_wrong_codes_even_the_right_one_has_to_wait(
    door: Door, me: str, now: datetime
) -> None:
    said = [guess(door, "wrong", me, now) for _ in range(MAX_GUESSES)]
    assert said == [WrongCode.code] * (MAX_GUESSES - 1) + [LockedOut.code]
    with pytest.raises(LockedOut) as caught:
        door.enter(me, CODE, "2.2.2.2", now + LOCKOUT - timedelta(seconds=1))
    assert f"{now + LOCKOUT:%H:%M} UTC" in caught.value.sentence
    assert not door.has_entered(me)
    assert guess(door, CODE, me, now + LOCKOUT) == ""


def test_another_cookie_gives_no_new_guesses(door: Door, me: str, now: datetime) -> None:
    said = [guess(door, "wrong", f"visitor:{number}", now) for number in range(MAX_GUESSES + 3)]
    assert said.count(WrongCode.code) == MAX_GUESSES - 1
    assert guess(door, CODE, me, now) == LockedOut.code
    assert guess(door, CODE, me, now, "2.2.2.2") == ""


def test_another_address_gives_one_person_no_new_guesses(
    door: Door, me: str, now: datetime
) -> None:
    said = [guess(door, "wrong", me, now, f"1.1.1.{number}") for number in range(MAX_GUESSES + 3)]
    assert said.count(WrongCode.code) == MAX_GUESSES - 1


def test_many_addresses_together_lock_the_door_but_nobody_who_is_in(
    door: Door, me: str, now: datetime
) -> None:
    assert guess(door, CODE, me, now) == ""
    said = [
        guess(door, "wrong", f"visitor:{number}", now, f"2.2.2.{number}")
        for number in range(MAX_GUESSES_OF_ALL + 5)
    ]
    assert said.count(WrongCode.code) == MAX_GUESSES_OF_ALL - 1
    assert guess(door, CODE, "visitor:new", now, "3.3.3.3") == LockedOut.code
    assert door.has_entered(me)
    assert guess(door, CODE, "visitor:new", now + LOCKOUT, "3.3.3.3") == ""


def test_wrong_codes_of_long_ago_do_not_count_and_are_not_kept(
    door: Door, me: str, now: datetime
) -> None:
    for number in range(MAX_GUESSES * 3):
        guess(door, "wrong", me, now + number * timedelta(minutes=4))
    assert guess(door, CODE, me, now + timedelta(hours=3), "9.9.9.9") == ""
    assert door.rows("wrong_codes") == []


def test_fifty_guesses_at_once_are_five(door: Door, stores: list[Store], now: datetime) -> None:
    doors = [door, Door(stores[1])]
    start = threading.Barrier(50)

    def attempt(number: int) -> str:
        start.wait()
        return guess(doors[number % 2], "wrong", f"visitor:{number}", now)

    with ThreadPoolExecutor(50) as pool:
        said = list(pool.map(attempt, range(50)))
    assert said.count(WrongCode.code) == MAX_GUESSES - 1
    assert set(said) == {WrongCode.code, LockedOut.code}
    assert len(door.rows("wrong_codes")) == MAX_GUESSES + 2  # five people, one address, everybody


def test_neither_code_nor_address_nor_guess_is_kept(door: Door, me: str, now: datetime) -> None:
    guess(door, "barley", "visitor:guest", now, "203.0.113.77")
    guess(door, CODE, me, now)
    kept = repr(door.rows("entries") + door.rows("wrong_codes"))
    assert me in kept
    assert not any(each in kept for each in (CODE, "barley", "guest", "203.0.113.77"))


# --- taking along ------------------------------------------------------------------------------

COOKIE = token_urlsafe(32)
ACCOUNT = "account:ann"


@pytest.fixture
def conversation(service: ChatService) -> str:
    owner = visitor_from_cookie(COOKIE).owner
    answer = service.as_owner(owner).messages.send(
        None, Submission("Which zebra?", (File("notes.txt", b"about okapis"),))
    )
    list(service.as_owner(owner).messages.follow(answer.id))
    return answer.conversation_id


def test_an_account_takes_along_all_that_the_visitor_had(
    service: ChatService, conversation: str
) -> None:
    owner = visitor_from_cookie(COOKIE).owner
    share, secret = service.as_owner(owner).sharing.create(conversation)
    service.as_owner(owner).conversations.pin(conversation)
    before = service.as_owner(owner).conversations.open(conversation).messages
    assert service.access.claim_visitor(ACCOUNT, COOKIE) == 1
    assert service.as_owner(ACCOUNT).conversations.open(conversation).messages == before
    assert [each.id for each in service.as_owner(ACCOUNT).conversations.pinned()] == [conversation]
    assert (
        service.as_owner(ACCOUNT).attachments.content(before[0].attachments[0].id)
        == b"about okapis"
    )
    for typed in ("zebra", "has:file zebra"):
        assert service.as_owner(ACCOUNT).conversations.search(typed) and not service.as_owner(
            owner
        ).conversations.search(typed)
    service.as_owner(ACCOUNT).sharing.revoke(share.id)
    with pytest.raises(NotFound):
        service.as_owner("").sharing.open(secret)
    with pytest.raises(NotFound):
        service.as_owner(owner).conversations.open(conversation)
    assert service.access.claim_visitor(ACCOUNT, COOKIE) == 0


def test_a_reply_that_runs_meanwhile_arrives(
    service: ChatService, provider: ScriptedProvider
) -> None:
    owner = visitor_from_cookie(COOKIE).owner
    provider.hold(at=1)
    answer = service.as_owner(owner).messages.send(None, Submission("Hello"))
    assert provider.held.wait(10)
    service.access.claim_visitor(ACCOUNT, COOKIE)
    provider.let_go()
    assert (
        "".join(piece.text for piece in service.as_owner(ACCOUNT).messages.follow(answer.id))
        == "Hello there."
    )
    assert service.as_owner(ACCOUNT).conversations.search("there")


def test_only_an_account_that_holds_the_cookie_takes_along(
    service: ChatService, conversation: str
) -> None:
    for owner, cookie in (
        ("visitor:other", COOKIE),
        ("", COOKIE),
        (ACCOUNT, visitor_from_cookie(COOKIE).owner),  # a hash proves nothing
        (ACCOUNT, ""),
        (ACCOUNT, "account:bob"),
    ):
        with pytest.raises(NotFound):
            service.access.claim_visitor(owner, cookie)
    assert service.as_owner(visitor_from_cookie(COOKIE).owner).conversations.open(conversation)


MOVED = {"conversations", "shares"}
STAYS = {
    "entries",  # an account enters the code itself
    "ledger",  # what a browser spent stays spent: signing in is no way to begin anew
}


def test_every_table_with_an_owner_is_taken_along_or_stays_for_a_reason() -> None:
    owned = {table.name for table in Base.metadata.sorted_tables if "owner" in table.columns}
    assert owned == MOVED | STAYS
