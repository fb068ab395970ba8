"""Elements of a run reach the browser although the next request arrives at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.streamlit_client import Tab, run
from tests.support.app_server import AppServer
from tests.support.llm_server import LLMServer

Status: TypeAlias = "ForwardMsg.ScriptFinishedStatus.ValueType"

# Handle the second and third request at once, before anything of their runs is sent.
SIMULTANEOUS = """
import asyncio
from streamlit.runtime.app_session import AppSession

handle = AppSession.handle_backmsg
messages = []

def hold(session, msg):
    messages.append(msg)
    if len(messages) == 3:
        release(session)
    elif len(messages) != 2:
        handle(session, msg)

def release(session):
    if session._scriptrunner is not None:  # the first run has not ended yet
        asyncio.get_running_loop().call_soon(release, session)
        return
    handle(session, messages[1])
    if {ended}:
        session._scriptrunner._script_thread.join(60)
    handle(session, messages[2])
    session._scriptrunner._script_thread.join(60)

AppSession.handle_backmsg = hold
"""


class Page(Tab):
    """A tab that records the messages sent to it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.received: list[ForwardMsg] = []

    def _handle(self, data: bytes) -> bool:
        self.received.append(ForwardMsg.FromString(data))
        return super()._handle(data)

    def box(self) -> ForwardMsg:
        """Return the chat input bridge, a component that reruns a fragment."""
        return next(
            message
            for message in self.received
            if "parley_chat_input_bridge" in message.delta.new_element.bidi_component.component_name
        )

    async def until(self, is_done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_done():
                self._handle(await self._receive())

    def count_ends(self, status: Status) -> int:
        """Return how many runs ended with this status."""
        return sum(ends(message, status) for message in self.received)

    def runs(self) -> list[int]:
        """Return the number of fragments of each run, 0 for a run of the whole page."""
        kinds = [each for each in self.received if each.WhichOneof("type") == "new_session"]
        return [len(each.metadata.run.fragment_ids) for each in kinds]


def ends(message: ForwardMsg, status: Status) -> bool:
    return message.WhichOneof("type") == "script_finished" and message.script_finished == status


@pytest.fixture(params=[True, False], ids=["ended", "running"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "sitecustomize.py").write_text(SIMULTANEOUS.format(ended=request.param), "utf-8")
    with (
        LLMServer() as server,
        AppServer(
            tmp_path,
            OPENAI_BASE_URL=server.base_url,
            OPENAI_API_KEY="sk-x",
            PYTHONPATH=str(tmp_path),
        ) as app,
    ):
        yield app.url


@pytest.mark.slow
def test_a_fragment_run_keeps_the_elements_of_the_previous_run(url: str) -> None:
    async def request_both() -> tuple[ForwardMsg, Page]:
        async with Page(url) as page:
            page._cancel_timers()
            box = page.box()
            page.received.clear()
            await page.run_script({})
            await page.run_script({}, box.delta.fragment_id)
            await page.until(
                lambda: page.count_ends(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY) > 0
            )
            return box, page

    box, page = run(request_both())
    assert page.runs() == [0, 1]
    assert page.count_ends(ForwardMsg.FINISHED_SUCCESSFULLY) == 1
    places = [list(message.metadata.delta_path) for message in page.received]
    place = list(box.metadata.delta_path)
    assert places.count(place) == 2, "drawn by both runs"
    assert places.count(place[:-1]) == 2, "its container was sent both times"
