"""A request waits for the end of the previous run, unless that was stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from streamlit import config
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner import RunDescriptor, ScriptRunnerEvent
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.signal_util import Signal

from pages.streamlit_patches import rerun_queue
from tests.support import patches

pytestmark = pytest.mark.anyio

Status = ForwardMsg.ScriptFinishedStatus


async def process_events() -> None:
    """Let the loop process what was scheduled until now."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    await done.wait()


class Runner:
    """Replaces Streamlit's ScriptRunner; the test sends its events."""

    created: list[Runner]

    def __init__(self, *, initial_rerun_data: RerunData, **_: Any) -> None:
        self.data, self.requests, self.on_event = initial_rerun_data, ScriptRequests(), Signal()
        self.run = RunDescriptor.create()
        self.created.append(self)

    def start(self) -> None:
        pass

    def request_rerun(self, data: RerunData) -> bool:
        return self.requests.request_rerun(data)

    def request_stop(self) -> None:
        self.requests.request_stop()

    async def begin(self, page: str = "chat") -> None:
        self.on_event.send(
            self,
            event=ScriptRunnerEvent.SCRIPT_STARTED,
            page_script_hash=page,
            run_descriptor=self.run,
        )
        await process_events()

    def stop_accepting(self) -> None:
        self.requests.on_scriptrunner_ready()

    async def finish(self) -> None:
        ended = ScriptRunnerEvent.SCRIPT_STOPPED_WITH_SUCCESS
        self.on_event.send(self, event=ended, run_descriptor=self.run)
        await process_events()

    async def shut_down(self) -> None:
        state = ClientState(page_script_hash="chat")
        self.on_event.send(self, event=ScriptRunnerEvent.SHUTDOWN, client_state=state)
        await process_events()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AppSession]]:
    """Return a function that opens a session in the running loop."""
    Runner.created = []
    # As in .streamlit/config.toml, which depends on the folder of the first test of a process.
    before = config.get_option("runner.fastReruns")
    config.set_option("runner.fastReruns", False)
    monkeypatch.setattr(app_session, "ScriptRunner", Runner)
    monkeypatch.setattr("streamlit.runtime.get_instance", MagicMock())
    patches.apply(monkeypatch, rerun_queue.replacements("complete_run"))

    sessions = []

    def open_session() -> AppSession:
        session = AppSession(ScriptData("app.py", False), MagicMock(), MagicMock(), None, {})
        sessions.append(session)
        return session

    yield open_session
    config.set_option("runner.fastReruns", before)
    for session in sessions:
        session._script_event_loop.close()


def requested() -> list[str]:
    return [runner.data.query_string for runner in Runner.created]


def ends(session: AppSession) -> list[str]:
    queue = session._browser_queue._queue
    found = [message for message in queue if message.WhichOneof("type") == "script_finished"]
    return [Status.Name(message.script_finished) for message in found]


async def test_requests_at_the_end_of_a_run_are_merged_into_one_run(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (runner,) = Runner.created
    await runner.begin()
    runner.stop_accepting()
    session.request_rerun(ClientState(query_string="2"))
    session.request_rerun(ClientState(query_string="3"))
    assert requested() == ["1"]
    await runner.finish()
    await runner.shut_down()
    assert requested() == ["1", "3"]
    assert ends(session) == ["FINISHED_SUCCESSFULLY"], "its end is sent"
    await Runner.created[-1].begin()
    assert ends(session) == ["FINISHED_EARLY_FOR_RERUN"], "only the last run removes elements"


async def test_a_stopped_run_that_does_not_end_does_not_block_the_next(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (stuck,) = Runner.created
    await stuck.begin()
    session.request_script_stop()  # as after a disconnect
    session.request_rerun(ClientState(query_string="2"))
    assert requested() == ["1", "2"]
    await stuck.finish()
    await stuck.shut_down()
    assert ends(session) == [], "its partial page is not taken for a complete one"
    assert requested() == ["1", "2"]


async def test_a_request_pending_at_a_stop_is_merged_with_the_next(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (runner,) = Runner.created
    runner.stop_accepting()
    session.request_rerun(ClientState(query_string="2"))
    session.request_script_stop()
    session.request_rerun(ClientState(query_string="3"))
    assert requested() == ["1", "3"]
    await runner.shut_down()
    assert requested() == ["1", "3"]


async def test_elements_for_a_lost_connection_are_not_sent_to_the_next(
    tab: Callable[[], AppSession],
) -> None:
    session = tab()
    session.request_rerun(ClientState())
    await Runner.created[0].begin()
    session.request_script_stop()
    drawn = ForwardMsg()
    drawn.delta.new_element.markdown.body = "half a page"
    session._enqueue_forward_msg(drawn)
    session.request_rerun(ClientState())
    await Runner.created[1].begin()
    kinds = [message.WhichOneof("type") for message in session._browser_queue._queue]
    assert "delta" not in kinds


async def test_a_closed_session_starts_no_pending_run(tab: Callable[[], AppSession]) -> None:
    session = tab()
    session.request_rerun(ClientState(query_string="1"))
    (runner,) = Runner.created
    runner.stop_accepting()
    session.request_rerun(ClientState(query_string="2"))
    session.shutdown()
    await runner.shut_down()
    assert requested() == ["1"]


@pytest.mark.parametrize(
    ("page", "is_auto_rerun", "started"),
    [("chat", False, [""]), ("chat", True, []), ("history", False, [])],
)
async def test_a_missing_fragment_reruns_the_page_in_view(
    tab: Callable[[], AppSession], page: str, is_auto_rerun: bool, started: list[str]
) -> None:
    session = tab()
    session.request_rerun(ClientState(page_script_hash="chat"))
    await Runner.created[0].begin("chat")
    await Runner.created[0].shut_down()
    Runner.created.clear()
    session.request_rerun(
        ClientState(page_script_hash=page, fragment_id="removed", is_auto_rerun=is_auto_rerun)
    )
    assert [runner.data.fragment_id or "" for runner in Runner.created] == started
