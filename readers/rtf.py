"""Reader for Rich Text Format: the text, with notes, comments, headers and footers."""

from __future__ import annotations

import re
from typing import Any

from striprtf.striprtf import rtf_to_text

from readers.errors import ReaderError
from readers.text_decoding import MAX_CHARACTERS, truncate
from readers.word_markdown import count_words

# Groups that striprtf drops; "\*" marks those that a program may skip.
_NOTE = re.compile(r"\{(?:\\\*)?\\(footnote|annotation|header|footer)[lrf]?(?![a-z])(?:-?\d+)? ?")
_BRACE = re.compile(r"\\[{}\\]|[{}]")
_LEFT_OUT = {
    "pictures": re.compile(r"\\pict(?![a-z])"),
    "embedded_objects": re.compile(r"\\object(?![a-z])"),
    "text_boxes": re.compile(r"\\shptxt(?![a-z])"),
}
_OTHER_FORM = re.compile(r"\\nonshppict(?![a-z])")  # the same picture for older programs
_LABELS = {"annotation": "Comment"}


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return text in UTF-8. Header: `words`, `words_read` of them, `is_cut`, `left_out`."""
    try:
        source = data.decode("utf-8")
    except UnicodeDecodeError:
        source = data.decode("cp1252", "replace")
    text: str = rtf_to_text(_with_notes(source), errors="replace")  # type: ignore[no-untyped-call]
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of \u
    text = re.sub(r"[ \t]+\n", "\n", text).replace("\0", "").strip()
    if not text:
        raise ReaderError("no_text")
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    left_out = {kind: len(pattern.findall(source)) for kind, pattern in _LEFT_OUT.items()}
    left_out["pictures"] -= min(left_out["pictures"], len(_OTHER_FORM.findall(source)))
    header = {"words": count_words(text), "words_read": count_words(kept), "is_cut": kept != text}
    return header | {"left_out": left_out}, kept.encode()


def _with_notes(source: str) -> str:
    """Return the source with notes and comments as text in brackets, where they are."""
    parts, end = [], 0
    for match in _NOTE.finditer(source):
        close = _group_end(source, match.start())
        if match.start() < end or close is None:
            continue
        label = _LABELS.get(match[1], match[1].capitalize())
        parts += [source[end : match.start()], f"{{ [{label}: ", source[match.end() : close], "]"]
        end = close
    return "".join(parts) + source[end:]


def _group_end(source: str, start: int) -> int | None:
    """Return the position of the brace that closes the group opened at `start`."""
    depth = 0
    for brace in _BRACE.finditer(source, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if not depth and brace.group() == "}":
            return brace.start()
    return None
