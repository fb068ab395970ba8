"""When a request of a tab waits for the end of the run before, and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner import RunDescriptor, ScriptRunnerEvent
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.signal_util import Signal

from pages.streamlit_patches import rerun_queue

pytestmark = pytest.mark.anyio

Status = ForwardMsg.ScriptFinishedStatus


async def heard() -> None:
    """The loop has come to all that was told it."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    await done.wait()


class Runner:
    """As Streamlit's, but it does only what a test tells it to."""

    made: list[Runner]

    def __init__(self, *, initial_rerun_data: RerunData, **_: Any) -> None:
        self.asked, self.requests, self.on_event = initial_rerun_data, ScriptRequests(), Signal()
        self.run = RunDescriptor.create()
        self.made.append(self)

    def start(self) -> None:
        pass

    def request_rerun(self, asked: RerunData) -> bool:
        return self.requests.request_rerun(asked)

    def request_stop(self) -> None:
        self.requests.request_stop()

    async def begin(self, page: str = "chat") -> None:
        self.on_event.send(
            self,
            event=ScriptRunnerEvent.SCRIPT_STARTED,
            page_script_hash=page,
            run_descriptor=self.run,
        )
        await heard()

    def is_ending(self) -> None:
        self.requests.on_scriptrunner_ready()

    async def tell_the_end(self) -> None:
        ended = ScriptRunnerEvent.SCRIPT_STOPPED_WITH_SUCCESS
        self.on_event.send(self, event=ended, run_descriptor=self.run)
        await heard()

    async def end(self) -> None:
        state = ClientState(page_script_hash="chat")
        self.on_event.send(self, event=ScriptRunnerEvent.SHUTDOWN, client_state=state)
        await heard()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AppSession]]:
    """Opens one, in a loop that runs."""
    Runner.made = []
    monkeypatch.setattr(app_session, "ScriptRunner", Runner)
    monkeypatch.setattr("streamlit.runtime.get_instance", MagicMock())
    for name in (
        "request_rerun",
        "_create_scriptrunner",
        "request_script_stop",
        "_handle_scriptrunner_event_on_event_loop",
        "_clear_queue",
    ):
        monkeypatch.setattr(AppSession, name, getattr(AppSession, name))  # put back at the end
    rerun_queue.make_whole()

    sessions = []

    def opened() -> AppSession:
        session = AppSession(ScriptData("app.py", False), MagicMock(), MagicMock(), None, {})
        sessions.append(session)
        return session

    yield opened
    for session in sessions:
        session._script_event_loop.close()


def asked() -> list[str]:
    return [runner.asked.query_string for runner in Runner.made]


def ends(session: AppSession) -> list[str]:
    queue = session._browser_queue._queue
    found = [message for message in queue if message.WhichOneof("type") == "script_finished"]
    return [Status.Name(message.script_finished) for message in found]


async def test_requests_wait_for_a_run_that_ends_and_become_one(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (runner,) = Runner.made
    await runner.begin()
    runner.is_ending()
    session.request_rerun(ClientState(query_string="2"))
    session.request_rerun(ClientState(query_string="3"))
    assert asked() == ["1"]
    await runner.tell_the_end()
    await runner.end()
    assert asked() == ["1", "3"]
    assert ends(session) == ["FINISHED_SUCCESSFULLY"], "it is heard"
    await Runner.made[-1].begin()
    assert ends(session) == ["FINISHED_EARLY_FOR_RERUN"], "the last one clears away"


async def test_a_run_that_was_told_to_stop_and_does_not_end_holds_up_nobody(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (stuck,) = Runner.made
    await stuck.begin()
    session.request_script_stop()  # as when the connection is gone
    session.request_rerun(ClientState(query_string="2"))
    assert asked() == ["1", "2"]
    await stuck.tell_the_end()
    await stuck.end()
    assert ends(session) == [], "what it left undone is not taken for the whole page"
    assert asked() == ["1", "2"]


async def test_what_waited_before_a_stop_is_done_with_what_is_asked_then(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (runner,) = Runner.made
    runner.is_ending()
    session.request_rerun(ClientState(query_string="2"))
    session.request_script_stop()
    session.request_rerun(ClientState(query_string="3"))
    assert asked() == ["1", "3"]
    await runner.end()
    assert asked() == ["1", "3"]


async def test_what_was_drawn_for_a_lost_connection_is_not_sent_to_the_next(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState())
    await Runner.made[0].begin()
    session.request_script_stop()
    drawn = ForwardMsg()
    drawn.delta.new_element.markdown.body = "half a page"
    session._enqueue_forward_msg(drawn)
    session.request_rerun(ClientState())
    await Runner.made[1].begin()
    kinds = [message.WhichOneof("type") for message in session._browser_queue._queue]
    assert "delta" not in kinds


async def test_a_session_that_is_closed_begins_nothing_more(tab: Callable[[], AppSession]) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (runner,) = Runner.made
    runner.is_ending()
    session.request_rerun(ClientState(query_string="2"))
    session.shutdown()
    await runner.end()
    assert asked() == ["1"]


@pytest.mark.parametrize(
    ("page", "is_regular", "begun"),
    [("chat", False, [""]), ("chat", True, []), ("history", False, [])],
)
async def test_a_part_that_is_gone_stands_for_the_page_that_is_in_view(
    tab: Callable[[], AppSession], page: str, is_regular: bool, begun: list[str]
) -> None:
    session = tab()
    session.request_rerun(ClientState(page_script_hash="chat"))
    await Runner.made[0].begin("chat")
    await Runner.made[0].end()
    Runner.made.clear()
    session.request_rerun(
        ClientState(page_script_hash=page, fragment_id="gone", is_auto_rerun=is_regular)
    )
    assert [runner.asked.fragment_id or "" for runner in Runner.made] == begun
