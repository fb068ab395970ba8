"""Recognition of models that bill reasoning without sending it."""

from __future__ import annotations

import pytest

from chat.providers.hidden_reasoning import hides_reasoning


@pytest.mark.parametrize(
    "ref",
    [
        "openai/o3",
        "openai/o4-mini-2025-04-16",
        "openai/GPT-5-mini",
        "openrouter/openai/o1-pro",
        "gemini/models/gemini-2.5-flash",
        "openrouter/google/gemini-3-pro-preview",
        "openrouter/anthropic/claude-sonnet-4.5",
        "openrouter/x-ai/grok-4",
        "gateway/us.claude-opus-4",
    ],
)
def test_model_with_hidden_reasoning_is_recognized(ref: str) -> None:
    assert hides_reasoning(ref)


@pytest.mark.parametrize(
    "ref",
    [
        "openai/gpt-4o",
        "ollama/qwen3:8b",
        "ollama/gpt-oss:20b",
        "groq/llama-3.3-70b-versatile",
        "deepseek/deepseek-reasoner",
        "mistral/open-mixtral-8x7b",
        "local/o2m-7b",
        "guide/manual",
    ],
)
def test_model_that_shows_its_reasoning_is_not_recognized(ref: str) -> None:
    assert not hides_reasoning(ref)
