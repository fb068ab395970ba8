"""How a document stands in what the model reads: named, fenced, and cut where the room ends. Pure.

The fence is longer than any in the document, so that no document can step out of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_RUNS = re.compile(r"`{3,}")
_CUT = "\n[The file goes on; only its beginning is here.]"


def fence_document(name: str, details: str, text: str) -> str:
    """The text of a file as it is sent."""
    longest = max((len(run.group()) for run in _RUNS.finditer(text)), default=2)
    fence = "`" * (longest + 1)
    about = f" ({details})" if details else ""
    name = name.replace('"', "'")
    return f'File "{name}"{about}:\n{fence}\n{text.rstrip()}\n{fence}'


def truncate_document(text: str, costs: Callable[[str], int], room: int) -> str:
    """As much of `text` from its beginning as costs at most `room`, cut at a line; may be empty.

    `costs` gives the tokens of what is sent when that much of the text is.
    """
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if costs(text[:middle] + _CUT) <= room:
            low = middle
        else:
            high = middle - 1
    if not low:
        return ""
    end = text.rfind("\n", low // 2, low)
    return text[: end if end > 0 else low].rstrip() + _CUT
