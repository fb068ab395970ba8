"""Access code: entry, lockout after wrong codes; and the move of a visitor's data to an account."""

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
from chat.background.file_jobs import FileJobs
from chat.config.settings import Settings
from chat.errors import ExportRunning, LockedOut, NotFound, ParleyError, WrongCode
from chat.services.access import (
    LOCKOUT,
    MAX_GUESSES,
    MAX_GUESSES_OF_ALL,
    UNSIGNED_COOKIES_END,
    AccessService,
)
from chat.store import Store
from chat.store.schema import Base
from tests.support.databases import postgres_database
from tests.support.scripted_provider import ScriptedProvider

CODE = "open sesame"
days = count()


class Access(AccessService):
    """The access service on one store. Every test uses a different day."""

    def __init__(self, store: Store, code: str | None = CODE) -> None:
        super().__init__(Settings(access_code=code), store, FileJobs("test-", ExportRunning))
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
def access(stores: list[Store]) -> Access:
    return Access(stores[0])


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 5, 4, 12, tzinfo=UTC) + timedelta(days=next(days))


@pytest.fixture
def me() -> str:
    return f"visitor:{token_hex(20)}"


def guess(access: Access, code: str, owner: str, at: datetime, address: str = "1.1.1.1") -> str:
    """Enter a code; return the code of the error, or "" if it was accepted."""
    try:
        access.enter(owner, code, address, at)
    except ParleyError as error:
        return error.code
    return ""


def test_correct_code_grants_access_until_the_code_changes(
    access: Access, me: str, now: datetime
) -> None:
    assert not access.has_entered(me)
    assert guess(access, "open barley", me, now) == WrongCode.code
    assert guess(access, f" {CODE} ", me, now) == ""
    assert access.has_entered(me) and not access.has_entered("visitor:other")
    assert Access(access.store).has_entered(me)
    assert not Access(access.store, "another code").has_entered(me)
    assert Access(access.store, None).has_entered("visitor:other")
    assert not access.has_entered("")
    assert guess(access, CODE, "", now) == NotFound.code


def test_similar_codes_are_refused(access: Access, now: datetime) -> None:
    wrong = ["", CODE.upper(), CODE + "x", "\ud800", "x" * 100_000, "\0"]
    for number, code in enumerate(wrong):
        owner = f"visitor:{number}"
        assert guess(access, code, owner, now, f"1.1.1.{number}") == WrongCode.code
        assert not access.has_entered(owner)


def test_five_wrong_codes_lock_out_the_correct_code_for_a_while(
    access: Access, me: str, now: datetime
) -> None:
    codes = [guess(access, "wrong", me, now) for _ in range(MAX_GUESSES)]
    assert codes == [WrongCode.code] * (MAX_GUESSES - 1) + [LockedOut.code]
    with pytest.raises(LockedOut) as caught:
        access.enter(me, CODE, "2.2.2.2", now + LOCKOUT - timedelta(seconds=1))
    assert f"{now + LOCKOUT:%H:%M} UTC" in caught.value.sentence
    assert not access.has_entered(me)
    assert guess(access, CODE, me, now + LOCKOUT) == ""


def test_new_cookie_does_not_reset_the_lockout_of_an_address(
    access: Access, me: str, now: datetime
) -> None:
    codes = [guess(access, "wrong", f"visitor:{number}", now) for number in range(MAX_GUESSES + 3)]
    assert codes.count(WrongCode.code) == MAX_GUESSES - 1
    assert guess(access, CODE, me, now) == LockedOut.code
    assert guess(access, CODE, me, now, "2.2.2.2") == ""


def test_new_address_does_not_reset_the_lockout_of_an_owner(
    access: Access, me: str, now: datetime
) -> None:
    codes = [
        guess(access, "wrong", me, now, f"1.1.1.{number}") for number in range(MAX_GUESSES + 3)
    ]
    assert codes.count(WrongCode.code) == MAX_GUESSES - 1


def test_total_lockout_spares_owners_who_have_entered(
    access: Access, me: str, now: datetime
) -> None:
    assert guess(access, CODE, me, now) == ""
    codes = [
        guess(access, "wrong", f"visitor:{number}", now, f"2.2.2.{number}")
        for number in range(MAX_GUESSES_OF_ALL + 5)
    ]
    assert codes.count(WrongCode.code) == MAX_GUESSES_OF_ALL - 1
    assert guess(access, CODE, "visitor:new", now, "3.3.3.3") == LockedOut.code
    assert access.has_entered(me)
    assert guess(access, CODE, "visitor:new", now + LOCKOUT, "3.3.3.3") == ""


def test_old_wrong_codes_expire_and_are_deleted(access: Access, me: str, now: datetime) -> None:
    for number in range(MAX_GUESSES * 3):
        guess(access, "wrong", me, now + number * timedelta(minutes=4))
    assert guess(access, CODE, me, now + timedelta(hours=3), "9.9.9.9") == ""
    assert access.rows("wrong_codes") == []


def test_concurrent_guesses_are_limited_across_processes(
    access: Access, stores: list[Store], now: datetime
) -> None:
    services = [access, Access(stores[1])]
    start = threading.Barrier(50)

    def attempt(number: int) -> str:
        start.wait()
        return guess(services[number % 2], "wrong", f"visitor:{number}", now)

    with ThreadPoolExecutor(50) as pool:
        codes = list(pool.map(attempt, range(50)))
    assert codes.count(WrongCode.code) == MAX_GUESSES - 1
    assert set(codes) == {WrongCode.code, LockedOut.code}
    assert len(access.rows("wrong_codes")) == MAX_GUESSES + 2  # 5 owners, 1 address, 1 total


def test_code_address_and_guesses_are_not_stored(access: Access, me: str, now: datetime) -> None:
    guess(access, "barley", "visitor:guest", now, "203.0.113.77")
    guess(access, CODE, me, now)
    kept = repr(access.rows("entries") + access.rows("wrong_codes"))
    assert me in kept
    assert not any(each in kept for each in (CODE, "barley", "guest", "203.0.113.77"))


# --- move of a visitor's data to an account ----------------------------------------------------

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


def test_claim_moves_all_data_of_a_visitor_to_the_account(
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


def test_claim_moves_a_running_reply(service: ChatService, provider: ScriptedProvider) -> None:
    owner = visitor_from_cookie(COOKIE).owner
    provider.hold(at=1)
    answer = service.as_owner(owner).messages.send(None, Submission("Hello"))
    assert provider.held.wait(10)
    service.access.claim_visitor(ACCOUNT, COOKIE)
    provider.release()
    assert (
        "".join(piece.text for piece in service.as_owner(ACCOUNT).messages.follow(answer.id))
        == "Hello there."
    )
    assert service.as_owner(ACCOUNT).conversations.search("there")


def test_claim_requires_an_account_and_the_cookie(service: ChatService, conversation: str) -> None:
    for owner, cookie in (
        ("visitor:other", COOKIE),
        ("", COOKIE),
        (ACCOUNT, visitor_from_cookie(COOKIE).owner),  # the hash is no proof of the cookie
        (ACCOUNT, ""),
        (ACCOUNT, "account:bob"),
    ):
        with pytest.raises(NotFound):
            service.access.claim_visitor(owner, cookie)
    assert service.as_owner(visitor_from_cookie(COOKIE).owner).conversations.open(conversation)


MOVED = {"conversations", "shares"}
STAYS = {
    "entries",  # an account has to enter the code itself
    "ledger",  # signing in must not reset limits
}


def test_tables_with_an_owner_are_moved_or_listed_as_exceptions() -> None:
    owned = {table.name for table in Base.metadata.sorted_tables if "owner" in table.columns}
    assert owned == MOVED | STAYS


CLAIMS = {"iss": "https://id", "sub": "1", "iat": 1_700_000_000, "nonce": "n", "exp": 1_700_003_600}


def test_processes_share_one_key_for_visitor_cookies(stores: list[Store]) -> None:
    services = [Access(store) for store in stores]
    assert services[0].visitor_key is None
    with ThreadPoolExecutor() as pool:
        list(pool.map(Access.load_keys, services * 4))
    keys = {each.visitor_key for each in services}
    assert len(keys) == 1 and len(keys.pop() or b"") == 32
    assert len(services[0].rows("signing_keys")) == 1


def test_unsigned_cookie_is_accepted_only_with_data_of_a_recent_release(
    access: Access, now: datetime
) -> None:
    access.load_keys()
    cookie, made_up = token_urlsafe(32), token_urlsafe(32)
    access.enter(visitor_from_cookie(cookie).owner, CODE, "", now)
    assert access.is_earlier_visitor(cookie) and not access.is_earlier_visitor(made_up)
    later = datetime.now(UTC) + UNSIGNED_COOKIES_END
    assert access.is_earlier_visitor(cookie, later - timedelta(days=1))
    assert not access.is_earlier_visitor(cookie, later + timedelta(days=1))


def test_unsigned_cookie_with_a_conversation_is_accepted(
    service: ChatService, conversation: str
) -> None:
    service.access.load_keys()
    assert service.access.is_earlier_visitor(COOKIE)
    assert not service.access.is_earlier_visitor(COOKIE[::-1])
    service.as_owner(visitor_from_cookie(COOKIE).owner).conversations.delete(conversation)
    assert service.access.is_earlier_visitor(COOKIE), "it can be restored"


def test_signed_out_claims_stay_so_in_other_processes_and_after_a_restart(
    stores: list[Store],
) -> None:
    here, there = Access(stores[0]), Access(stores[1])
    assert not here.is_signed_out(CLAIMS)
    here.sign_out(CLAIMS)
    assert here.is_signed_out(CLAIMS), "an earlier answer was remembered"
    assert there.is_signed_out({**CLAIMS, "email": "other@x.org"})
    assert Access(stores[0]).is_signed_out(CLAIMS)
    here.sign_out(CLAIMS)  # a second time changes nothing


@pytest.mark.parametrize(
    "changed", [{"sub": "2"}, {"iss": "x"}, {"iat": 1}, {"nonce": "m"}, {"exp": 2}, {"sid": "s"}]
)
def test_sign_out_ends_one_sign_in_only(access: Access, changed: dict[str, object]) -> None:
    access.sign_out(CLAIMS)
    assert access.is_signed_out(CLAIMS) and not access.is_signed_out({**CLAIMS, **changed})


def test_expired_sign_outs_are_deleted(stores: list[Store], now: datetime) -> None:
    identities = stores[0].identities
    identities.sign_out("old", at=now, expires_at=now + timedelta(days=1))
    identities.sign_out("new", at=now + timedelta(days=2), expires_at=now + timedelta(days=3))
    assert not identities.is_signed_out("old") and identities.is_signed_out("new")
