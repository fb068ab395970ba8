"""Embedding of documents in a prompt: name, fence and truncation. Pure.

The fence is longer than any fence in the document, so that a document cannot close it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_RUNS = re.compile(r"`{3,}")
_TRUNCATED = "\n[The file continues; only its beginning is included.]"


def fence_document(name: str, details: str, text: str) -> str:
    """Return the text of a file as it is sent, in a fence below its name and details."""
    longest = max((len(run.group()) for run in _RUNS.finditer(text)), default=2)
    fence = "`" * (longest + 1)
    about = f" ({details})" if details else ""
    name = name.replace('"', "'")
    return f'File "{name}"{about}:\n{fence}\n{text.rstrip()}\n{fence}'


def truncate_document(text: str, costs: Callable[[str], int], room: int) -> str:
    """Return the longest beginning of `text` that costs at most `room` tokens.

    It ends at a line break if possible, with a note that the file continues. Returns an empty
    string if nothing fits. `costs` returns the tokens of a text as it is sent.
    """
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if costs(text[:middle] + _TRUNCATED) <= room:
            low = middle
        else:
            high = middle - 1
    if not low:
        return ""
    end = text.rfind("\n", low // 2, low)
    return text[: end if end > 0 else low].rstrip() + _TRUNCATED
