"""Tells a file with a conversation on each line from one document, be the one or the other damaged.

In a sound document no line is at once followed by another that begins a value: a comma or a bracket
stands between the two. Pure.
"""

from __future__ import annotations

import codecs
import string
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from chat.formats.chatgpt.conversation import is_chatgpt
from chat.formats.importing import json_stream
from chat.formats.importing.json_stream import Bounds, Broken, CutOff, TooLarge
from chat.formats.jsonl import is_jsonl
from chat.formats.parley.conversation_json import is_own

CHUNK = 65_536  # bytes
_MOST = 1000  # lines that are looked at
_FEW = 1000  # values: enough to tell what a line is
_OF_WORDS = (string.ascii_letters + string.digits + "+-.\\").encode()


def is_sound(head: bytes) -> bool:
    """Whether what a file begins with, a chunk of it, can be the beginning of one document."""
    if len(head) == CHUNK:  # it may end within a word
        head = head.rstrip(_OF_WORDS)
    try:
        for _ in json_stream.values((head,), Bounds(values=_FEW), is_list=False):
            pass
    except CutOff:
        return True
    except Broken:
        return False
    return True


def has_conversations(lines: Iterable[bytes], bounds: Bounds) -> bool:
    """Whether lines that are no sound document are conversations, or objects, one by one."""
    before = b""
    for line in islice(lines, _MOST):
        line = line.removeprefix(codecs.BOM_UTF8).strip()
        if not line:
            continue
        if line.startswith(b"{") and (before.endswith(b"}") or _is_conversation(line, bounds)):
            return True
        before = line
    return False


def _is_conversation(line: bytes, bounds: Bounds) -> bool:
    if not line.endswith(b"}"):
        return False
    try:
        for value in json_stream.values(pieces(line), replace(bounds, values=_FEW), is_list=False):
            known = value.beginning if isinstance(value, TooLarge) else value
            if is_own(known) or is_chatgpt(known) or is_jsonl(known):
                return True
    except Broken:
        pass
    return False


def pieces(line: bytes) -> Iterator[bytes]:
    """The line without its end, in chunks."""
    return (line[at : at + CHUNK].rstrip(b"\r\n") for at in range(0, len(line), CHUNK))
