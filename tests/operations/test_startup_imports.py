"""What a process has imported once its first page was drawn and its first reply has come.

Each name takes time from the first visitor and memory from the machine. One that is missing here
may be right; then it is added knowingly.
"""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions
from pathlib import Path

from benchmarks.streamlit_client import Tab, run
from chat.store import Store
from tests.support.app_server import AppServer
from tests.support.llm_server import LLMServer, Script

_KEPT = {
    # Streamlit and its server
    *("streamlit", "starlette", "uvicorn", "websockets", "httptools", "h11", "anyio", "sniffio"),
    *("click", "itsdangerous", "python_multipart", "packaging", "google", "typing_extensions"),
    # what it needs for the recorder
    *("streamlit_mic_recorder", "speech_recognition", "pyarrow", "numpy"),
    # the database, the providers, prices, large imports
    *("sqlalchemy", "openai", "httpx2", "httpcore2", "idna", "truststore", "jiter", "orjson"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "dotenv"),
    *("genai_prices", "ijson", "prometheus_client", "_distutils_hack"),
}
_IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| *([\w.]+)$", re.MULTILINE)


async def _ask(url: str) -> None:
    async with Tab(url) as tab:
        await tab.ask("Which colour?", ["Blue."], patience=60)


def test_the_first_page_and_reply_import_what_they_need_and_no_more(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path / 'parley.db'}").close()  # at every start but the first it is there
    with LLMServer() as server:
        server.next(Script(text="Blue."))
        provider = {"OPENAI_BASE_URL": server.base_url, "OPENAI_MODELS": "echo"}
        with AppServer(tmp_path, PYTHONPROFILEIMPORTTIME="1", **provider) as app:
            run(_ask(app.url))
        names = {name.partition(".")[0] for name in _IMPORTED.findall(app.log())}
    assert "streamlit" in names
    installed = names & set(packages_distributions())  # some are only looked for
    assert installed <= _KEPT, sorted(installed - _KEPT)
