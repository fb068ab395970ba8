"""All that a run has drawn reaches the browser, also when the next request comes in that moment."""

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

# The second request and the third are heard of at once, and nothing of the runs is sent before.
HELD = """
import asyncio
from streamlit.runtime.app_session import AppSession

handle = AppSession.handle_backmsg
asked = []

def held(session, message):
    asked.append(message)
    if len(asked) == 3:
        ask(session)
    elif len(asked) != 2:
        handle(session, message)

def ask(session):
    if session._scriptrunner is not None:  # the page is just being opened
        asyncio.get_running_loop().call_soon(ask, session)
        return
    handle(session, asked[1])
    if {ended}:
        session._scriptrunner._script_thread.join(60)
    handle(session, asked[2])
    session._scriptrunner._script_thread.join(60)

AppSession.handle_backmsg = held
"""


class Page(Tab):
    """Keeps what was sent to it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent: list[ForwardMsg] = []

    def _take(self, data: bytes) -> bool:
        self.sent.append(ForwardMsg.FromString(data))
        return super()._take(data)

    def box(self) -> ForwardMsg:
        """The component that watches the composer's box; it draws a part of the page anew."""
        return next(
            message
            for message in self.sent
            if "parley_chat_input_bridge" in message.delta.new_element.bidi_component.component_name
        )

    async def until(self, is_done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_done():
                self._take(await self._receive())

    def has_ended(self, status: Status) -> int:
        """How many runs ended so."""
        return sum(ends(message, status) for message in self.sent)

    def runs(self) -> list[int]:
        """How many parts each run drew again, 0 for the whole page."""
        kinds = [each for each in self.sent if each.WhichOneof("type") == "new_session"]
        return [len(each.metadata.run.fragment_ids) for each in kinds]


def ends(message: ForwardMsg, status: Status) -> bool:
    return message.WhichOneof("type") == "script_finished" and message.script_finished == status


@pytest.fixture(params=[True, False], ids=["ended", "running"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "sitecustomize.py").write_text(HELD.format(ended=request.param), "utf-8")
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


def test_a_part_of_the_page_that_asks_takes_nothing_of_the_run_before(url: str) -> None:
    async def ask() -> tuple[ForwardMsg, Page]:
        async with Page(url) as page:
            page._calm()
            box = page.box()
            page.sent.clear()
            await page._run({})
            await page._run({}, box.delta.fragment_id)
            await page.until(
                lambda: page.has_ended(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY) > 0
            )
            return box, page

    box, page = run(ask())
    assert page.runs() == [0, 1]
    assert page.has_ended(ForwardMsg.FINISHED_SUCCESSFULLY) == 1
    places = [list(message.metadata.delta_path) for message in page.sent]
    place = list(box.metadata.delta_path)
    assert places.count(place) == 2, "drawn by both"
    assert places.count(place[:-1]) == 2, "in a container: what stands there else takes nothing in"
