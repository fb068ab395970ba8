"""Distinguish JSON Lines from a single JSON document, even if either is damaged. Pure.

In a valid document, a line that ends a value is never followed by a line that begins one: a comma
or a bracket separates them.
"""

from __future__ import annotations

import codecs
import string
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from chat.formats.chatgpt.conversation import is_chatgpt
from chat.formats.importing import json_stream
from chat.formats.importing.json_stream import (
    InvalidJson,
    JsonLimits,
    OversizedValue,
    TruncatedJson,
)
from chat.formats.jsonl import is_jsonl
from chat.formats.parley.conversation_json import is_parley

CHUNK_BYTES = 65_536
_MAX_LINES = 1000  # lines that are checked
_MAX_VALUES = 1000  # enough to recognise the format of a line
_TOKEN_BYTES = (string.ascii_letters + string.digits + "+-.\\").encode()


def is_document_start(head: bytes) -> bool:
    """Return whether the first chunk of a file can be the start of a single JSON document."""
    if len(head) == CHUNK_BYTES:  # the chunk may end inside a token
        head = head.rstrip(_TOKEN_BYTES)
    try:
        for _ in json_stream.iter_values((head,), JsonLimits(values=_MAX_VALUES), is_list=False):
            pass
    except TruncatedJson:
        return True
    except InvalidJson:
        return False
    return True


def is_json_lines(lines: Iterable[bytes], limits: JsonLimits) -> bool:
    """Return whether lines that are not a valid document are objects, one per line."""
    before = b""
    for line in islice(lines, _MAX_LINES):
        line = line.removeprefix(codecs.BOM_UTF8).strip()
        if not line:
            continue
        if line.startswith(b"{") and (before.endswith(b"}") or _is_conversation(line, limits)):
            return True
        before = line
    return False


def _is_conversation(line: bytes, limits: JsonLimits) -> bool:
    if not line.endswith(b"}"):
        return False
    limits = replace(limits, values=_MAX_VALUES)
    try:
        for value in json_stream.iter_values(chunks(line), limits, is_list=False):
            known = value.partial if isinstance(value, OversizedValue) else value
            if is_parley(known) or is_chatgpt(known) or is_jsonl(known):
                return True
    except InvalidJson:
        pass
    return False


def chunks(line: bytes) -> Iterator[bytes]:
    """Yield the line without its line end, in chunks."""
    starts = range(0, len(line), CHUNK_BYTES)
    return (line[start : start + CHUNK_BYTES].rstrip(b"\r\n") for start in starts)
