"""Models that bill reasoning without sending it, or send a summary only."""

from __future__ import annotations

import re

# At any provider: "openai/o3", "openrouter/openai/gpt-5-mini", "gemini/models/gemini-2.5-pro".
_HIDDEN = re.compile(
    r"/(?:[\w-]+\.)?(?:o[1-9](?![a-z0-9])|gpt-(?:[5-9]|\d\d)|codex|gemini-(?:2\.5|[3-9]|flash|pro)"
    r"|grok-(?:[3-9]|code)|claude-)",
    re.IGNORECASE,
)


def hides_reasoning(ref: str) -> bool:
    """Return whether a model ("provider/model id") may use more tokens than the text shows."""
    return _HIDDEN.search(ref) is not None
