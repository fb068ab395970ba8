"""Ends a reply that is far longer than what was asked for, whatever its provider goes on sending.

No model writes so much in so many tokens: whoever sends it counts otherwise, or does not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from chat.providers.base import Delta

CHARACTERS_A_TOKEN = 40
ALWAYS = 100_000  # characters that are let through whatever was asked for


async def bounded(stream: AsyncIterator[Delta], max_tokens: int) -> AsyncIterator[Delta]:
    """`stream` until there is too much of it; then it ends as one that met its length."""
    room = max_tokens * CHARACTERS_A_TOKEN + ALWAYS
    async with aclosing(stream) as deltas:  # type: ignore[type-var]
        async for delta in deltas:
            reasoning = delta.reasoning[:room]
            room -= len(reasoning)
            text = delta.text[:room]
            room -= len(text)
            if len(reasoning) + len(text) < len(delta.reasoning) + len(delta.text):
                yield replace(delta, reasoning=reasoning, text=text, finish_reason="length")
                return
            yield delta
