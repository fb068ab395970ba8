"""Bounds on open tabs, and what a browser beyond them gets."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from server import open_tabs
from server.open_tabs import OpenTabs, Tab, TabLimits, limits_of_process
from server.visitor_cookie import COOKIE
from server.websocket_limits import WebSocketLimits

LIMITS = TabLimits(of_visitor=3, of_address=6, of_strangers_at_address=4, in_total=10)
ANN, BOB = "a" * 43, "b" * 43


class App:
    """An app behind the limits; `members` are the cookies of visitors with access."""

    def __init__(self, limits: TabLimits = LIMITS, proxies: int = 0) -> None:
        self.tabs, self.members, self.limits_set = OpenTabs(limits), set[str](), list[int]()
        self.refusals: list[tuple[int, str]] = []
        self.forgotten: list[str] = []
        self.is_started = True

        async def page(_: Request) -> HTMLResponse:
            return HTMLResponse("page")

        async def stream(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.receive()

        async def offer(scope: object, receive: object, send: object) -> None:
            if scope["type"] == "websocket":  # type: ignore[index]
                scope["extensions"]["parley.set_message_limit"] = self.limits_set.append  # type: ignore[index]
            await inner(scope, receive, send)  # type: ignore[arg-type]

        def has_access(cookies: Mapping[str, str]) -> bool:
            return cookies.get(COOKIE, "") in self.members

        limited = Middleware(
            WebSocketLimits,
            tabs=self.tabs,
            trusted_proxies=proxies,
            has_access=has_access,
            message_bytes=lambda: 8_000,
            forget=self.forgotten.append,
            can_check_access=lambda: self.is_started,
        )
        routes = [Route("/", page), WebSocketRoute("/_stcore/stream", stream)]
        inner = Starlette(routes=routes, middleware=[limited])
        self.asgi = offer

    def client(self, address: str = "8.8.8.8") -> TestClient:
        return TestClient(self.asgi, client=(address, 50_000))

    @contextmanager
    def open(self, visitor: str = "", address: str = "8.8.8.8", **headers: str) -> Iterator[None]:
        if visitor:
            headers["cookie"] = f"{COOKIE}={visitor}"
        with self.client(address).websocket_connect("/_stcore/stream", headers=headers):
            yield

    @contextmanager
    def flooded(self) -> Iterator[None]:
        """Let more messages of strangers wait than are accepted."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("server.stranger_pace._MAX_WAIT", -1000.0)
            yield

    def count(self, stack: ExitStack, number: int, visitor: str = "", address: str = "") -> int:
        """Open up to `number` tabs, by default of new visitors; return how many were opened."""
        for done in range(number):
            try:
                each = visitor or f"{len(self.tabs):043}"
                stack.enter_context(self.open(each, address or "8.8.8.8"))
            except WebSocketDenialResponse as refusal:
                self.refusals.append((refusal.status_code, refusal.text))
                return done
        return number


def test_tabs_of_a_visitor_are_limited_and_given_back() -> None:
    app = App()
    with ExitStack() as stack:
        assert app.count(stack, 5, ANN) == 3
        assert app.refusals == [(429, open_tabs.TOO_MANY_OWN)]
        answer = app.client("9.9.9.9").get("/", headers={"cookie": f"{COOKIE}={ANN}"})
        assert answer.status_code == 429 and answer.text == open_tabs.TOO_MANY_OWN
        assert app.client().get("/", headers={"cookie": f"{COOKIE}={BOB}"}).status_code == 200
    assert len(app.tabs) == 0
    with ExitStack() as stack:
        assert app.count(stack, 5, ANN) == 3


def test_new_cookies_do_not_avoid_the_limit_of_an_address() -> None:
    app = App()
    with ExitStack() as stack:
        assert app.count(stack, 9) == 4
        answer = app.client().get("/", headers={"cookie": f"{COOKIE}={BOB}"})
        assert answer.status_code == 429 and answer.text == open_tabs.TOO_MANY_HERE
        assert app.count(stack, 1, BOB, "9.9.9.9") == 1


def test_browsers_without_cookies_are_limited_by_address() -> None:
    app = App()
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(app.open())
        with pytest.raises(WebSocketDenialResponse):
            stack.enter_context(app.open())
    assert len(app.tabs) == 0


@pytest.mark.parametrize("forwarded", ["{}.1.1.1", "{}", "1.1.1.1, {}.2.2.2"])
def test_made_up_forwarded_addresses_do_not_avoid_the_limit(forwarded: str) -> None:
    app = App()
    with ExitStack() as stack:
        for number in range(4):
            header = {"x-forwarded-for": forwarded.format(number)}
            stack.enter_context(app.open(f"{number:043}", **header))
        with pytest.raises(WebSocketDenialResponse):
            stack.enter_context(app.open(BOB, **{"x-forwarded-for": forwarded.format(9)}))


def test_address_is_that_behind_a_trusted_proxy() -> None:
    app = App(proxies=1)
    with ExitStack() as stack:
        for number in range(5):
            header = {"x-forwarded-for": f"1.1.1.1, {number}.2.2.2"}
            stack.enter_context(app.open(f"{number:043}", **header))


def test_strangers_leave_half_of_the_room_to_people_with_access() -> None:
    app = App()
    app.members = {ANN, BOB}
    with ExitStack() as stack:
        opened = [app.count(stack, 1, f"{n:043}", f"{n}.1.1.1") for n in range(1, 9)]
        assert opened == [1] * 5 + [0] * 3
        assert [app.count(stack, 4, ANN), app.count(stack, 4, BOB, "9.9.9.9")] == [3, 2]
        answer = app.client("7.7.7.7").get("/", headers={"cookie": f"{COOKIE}={'c' * 43}"})
        assert answer.text == open_tabs.TOO_MANY


def test_message_limit_is_raised_when_access_is_granted() -> None:
    app = App()
    with app.open(ANN), app.open(BOB):
        assert app.limits_set == []
        app.tabs.grant_access(ANN)
        assert app.limits_set == [8_000]
        app.tabs.grant_access(ANN)
        assert app.limits_set == [8_000]
    with app.open(ANN):
        assert app.limits_set == [8_000] * 2
    app.tabs.revoke_access(ANN)
    with app.open(ANN):
        assert app.limits_set == [8_000] * 2
    app.members = {BOB}
    with app.open(BOB):
        assert app.limits_set == [8_000] * 3


def test_strangers_that_flood_are_refused_and_others_are_not() -> None:
    app = App(TabLimits())
    app.members = {BOB}
    with pytest.raises(WebSocketDenialResponse) as refusal, app.flooded(), app.open(ANN):
        pass
    assert refusal.value.status_code == 429 and refusal.value.text == open_tabs.TOO_MANY
    with app.flooded(), app.open(BOB):
        assert len(app.tabs) == 1
    app.is_started = False
    with app.flooded(), app.open(ANN):
        assert len(app.tabs) == 1, "someone who reconnects after a restart was refused"
    assert len(app.tabs) == 0


def test_closed_tabs_of_strangers_are_forgotten() -> None:
    app = App()
    app.members = {BOB}
    with app.open(ANN), app.open(BOB), app.open("c" * 43):
        app.tabs.grant_access(ANN)
    assert app.forgotten == ["c" * 43]


def test_granted_tabs_no_longer_count_as_those_of_strangers() -> None:
    tabs = OpenTabs(LIMITS)
    mine = [Tab(f"{n:043}", "8.8.8.8", has_access=False) for n in range(4)]
    assert [tabs.add(each) for each in mine] == [""] * 4
    another = Tab(ANN, "8.8.8.8", has_access=False)
    assert tabs.problem(another)
    tabs.grant_access(mine[0].visitor)
    assert not tabs.problem(another)
    tabs.remove(mine[0])
    tabs.remove(mine[0])  # a second time changes nothing
    assert len(tabs) == 3 and not tabs.add(another)


@pytest.mark.parametrize("files", [256, 1024, 4096])
def test_limits_leave_descriptors_for_everything_else(
    monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    changed: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    monkeypatch.setattr(resource, "setrlimit", lambda *args: changed.append(args))
    limits = limits_of_process()
    assert limits.in_total * 5 + 500 <= max(files, 600)
    assert limits.of_address < limits.in_total and not changed


def test_soft_limit_of_descriptors_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    changed: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1 << 20))
    monkeypatch.setattr(resource, "setrlimit", lambda *args: changed.append(args))
    assert limits_of_process() == TabLimits()
    assert changed == [(resource.RLIMIT_NOFILE, (8192, 1 << 20))]
