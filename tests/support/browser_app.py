"""Configuration of the app under browser tests."""

from __future__ import annotations

from tests.support.llm_server import LLMServer

KEY = "sk-canary-4f9d2c7b81e6a350"  # must never appear on a page or in a log
LIMIT = 300  # tokens in one message


def configured(llm: LLMServer) -> dict[str, str]:
    """Return the settings that connect an app to the test server."""
    return {"OPENAI_BASE_URL": llm.base_url, "OPENAI_API_KEY": KEY, "MAX_RETRIES": "0"}
