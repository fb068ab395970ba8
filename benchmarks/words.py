"""Text of the provider's replies: Markdown in pieces of about one token, with unique marks.

The first piece is a mark, then about every 50th, and the last. A mark is a word that occurs neither
in the question nor in another reply, so that a client can measure the progress of a reply.
"""

from __future__ import annotations

import itertools
import re
import time
from functools import cache

EVERY = 50  # minimum number of pieces between two marks

_TEXT = """\
The bridge was built in the year of the great flood, when the old ferry had been carried away and \
the two halves of the town could no longer hear each other's bells. It took **eleven summers**, \
and *nobody* who laid the first stone walked over the last one.

## What the masons wrote

- The river gives back what it takes, but never in the same place.
- Lime from the north bank sets faster than `lime.south` in cold weather.
- Count the arches twice, once from each side, and trust neither count.

They kept their accounts in a small book, of which a page is left:

```python
def load(arches: list[float], stone: float = 2.4) -> float:
    total = 0.0
    for span in arches:
        total += span * stone
    return total / max(1, len(arches))
```

| arch | span | years |
|------|-----:|------:|
| west | 14.2 | 3     |
| king | 21.0 | 5     |
| east | 13.8 | 3     |

1. First the piers were set, each on forty piles of oak.
2. Then the centring was raised and left over one winter.
3. Last of all the parapet was closed, and the toll was set at a penny.

> Whoever crosses at night pays nothing, for then the keeper sleeps.

"""


_numbers = itertools.count(1)
_BEGAN = f"{int(time.time()) % 100_000:x}"


@cache
def _pieces() -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S{1,7}|\s+$", _TEXT))


@cache
def _is_prose() -> tuple[bool, ...]:
    """Return for each piece whether a mark after it leaves tables and fences intact."""
    begins, is_code, at = [], False, 0
    for line in _TEXT.splitlines(keepends=True):
        is_code ^= line.startswith("```")
        begins.append((at, not is_code and not re.search(r"[|`#*]", line) and bool(line.strip())))
        at += len(line)
    prose, at = [], 0
    for piece in _pieces():
        at += len(piece)
        prose.append([is_prose for begin, is_prose in begins if begin < at][-1])
    return tuple(prose)


def new_name() -> str:
    """Return a unique name for a reply."""
    return f"r{_BEGAN}n{next(_numbers)}z"


def mark(name: str, number: int) -> str:
    return f"mark{number}x{name}"


def end(name: str) -> str:
    return f"end{name}"


def marks(name: str, tokens: int) -> list[tuple[int, str]]:
    """Return (index of the piece, word) for every mark, including the last."""
    prose, last = _is_prose(), max(2, tokens) - 1
    found = [(0, mark(name, 0))]
    for place in range(1, last):
        if place >= found[-1][0] + EVERY and prose[place % len(prose)]:
            found.append((place, mark(name, len(found))))
    return [*found, (last, end(name))]


def reply(name: str, tokens: int) -> list[str]:
    """Return the pieces of the reply `name`; at least two, one for each end mark."""
    pieces = _pieces()
    made = [pieces[place % len(pieces)] for place in range(max(2, tokens))]
    for place, word in marks(name, tokens):
        made[place] += f" {word}"
    made[0] = f"{mark(name, 0)} "
    made[-1] = f"\n\n{end(name)}"
    return made
