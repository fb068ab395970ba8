"""Packages that a process has imported after its first page and reply.

Each package costs start-up time and memory. Add one to the list only if it is needed that early.
"""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from benchmarks.streamlit_client import Tab, run
from chat.store import Store
from tests.support.app_server import AppServer
from tests.support.llm_server import LLMServer, Script

_ALLOWED = {
    # Streamlit and its server
    *("streamlit", "starlette", "uvicorn", "websockets", "httptools", "h11", "anyio", "sniffio"),
    *("click", "itsdangerous", "python_multipart", "packaging", "google", "typing_extensions"),
    # required by the audio recorder
    *("streamlit_mic_recorder", "speech_recognition", "pyarrow", "numpy"),
    # database, providers, prices, imports of large files
    *("sqlalchemy", "openai", "httpx2", "httpcore2", "idna", "truststore", "jiter", "orjson"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "dotenv"),
    # parser of messages
    *("markdown_it", "mdit_py_plugins", "mdurl"),
    *("genai_prices", "ijson", "prometheus_client", "cachetools", "tenacity", "_distutils_hack"),
}
_IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| *([\w.]+)$", re.MULTILINE)


async def _ask(url: str) -> None:
    async with Tab(url) as tab:
        await tab.ask("Which colour?", ["Blue."], timeout_s=60)


@pytest.mark.slow
def test_first_page_and_reply_import_only_allowed_packages(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path / 'parley.db'}").close()  # as at every start but the first
    with LLMServer() as server:
        server.next(Script(text="Blue."))
        provider = {"OPENAI_BASE_URL": server.base_url, "OPENAI_MODELS": "echo"}
        with AppServer(tmp_path, PYTHONPROFILEIMPORTTIME="1", **provider) as app:
            run(_ask(app.url))
        names = {name.partition(".")[0] for name in _IMPORTED.findall(app.log())}
    assert "streamlit" in names
    installed = names & set(packages_distributions())  # the log also lists missing modules
    assert installed <= _ALLOWED, sorted(installed - _ALLOWED)
