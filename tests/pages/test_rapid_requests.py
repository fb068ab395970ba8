"""A message is stored exactly once although other requests follow immediately."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks.streamlit_client import Tab, run
from chat.store import Store
from tests.support.app_server import AppServer
from tests.support.llm_server import LLMServer

pytestmark = pytest.mark.slow

TABS = 12
SWITCH_OFTEN = (
    "import sys; sys.setswitchinterval(1e-6)"  # so that threads interleave at every point
)


async def send_among_others(url: str, question: str, others: int) -> None:
    """Send a message and at once other requests, as a fragment or component does."""
    async with Tab(url) as tab:
        assert tab.chat_input is not None
        await tab.run_script({tab.chat_input: question})
        for _ in range(others):
            await tab.run_script({})
        await tab.finished()


@pytest.mark.parametrize("others", [1, 3])
def test_a_message_is_stored_once_when_other_requests_follow(tmp_path: Path, others: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(SWITCH_OFTEN, "utf-8")
    with (
        LLMServer() as server,
        AppServer(
            tmp_path,
            OPENAI_BASE_URL=server.base_url,
            OPENAI_API_KEY="sk-x",
            PYTHONPATH=str(tmp_path),
        ) as app,
    ):
        sent = [f"Message {number}" for number in range(TABS)]
        for question in sent:
            run(send_among_others(app.url, question, others))
        with closing(Store(app.database_url)) as store, store.engine.connect() as connection:
            found = connection.scalars(text("SELECT text FROM messages WHERE role = 'user'")).all()
        assert sorted(found) == sorted(sent)
        assert "Traceback" not in app.log()
