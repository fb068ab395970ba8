"""The meaning of finish reasons. Pure.

Providers spell the same end in many ways (`max_tokens`, `MAX_OUTPUT_TOKENS`, `model_length`), and
new spellings appear. They are therefore matched by stem. A word that matches nothing is unknown,
never a good end.
"""

from __future__ import annotations

import re
from enum import Enum, auto


class Finish(Enum):
    """How a reply has ended."""

    STOP = auto()
    LENGTH = auto()
    FILTERED = auto()
    TOOL_CALL = auto()
    BROKEN = auto()
    UNKNOWN = auto()


_NO_REASON = re.compile(
    r"|null|none|nil|undefined|nan|false|unspecified|finish_reason_unspecified|(?:in|on)_?(?:progress|going)"
    r"|generating|streaming|running|pending|queued|not_finished|not_stopped"
)
# In this order: "content_filter_error" is a fault, and "incomplete" is not "complete".
_STEMS = (
    (
        Finish.BROKEN,
        r"error|fail|fault|abort|cancel|interrupt|network|connection|time_?d?_?out|overload"
        r"|insufficient|unavailable|exception|broke|crash|preempt|evict|kill|malformed|invalid"
        r"|incomplete|unfinished|rate_?limit|quota|out_of_memory|\boom\b|internal|shut_?down|disconnect",
    ),
    (
        Finish.FILTERED,
        r"filter|safety|unsafe|sensitiv|spii|\bpii\b|recitation|prohibit|block|moderat|polic|refus"
        r"|guard|violat|censor|harm|inspection|copyright|forbid|denied|risk",
    ),
    (
        Finish.LENGTH,
        r"length|\bmax|limit|truncat|window|too_long|budget|exceed|num_predict|token_cap",
    ),
    (Finish.TOOL_CALL, r"tool|function"),
    (
        Finish.STOP,
        r"stop|eos|eot|eom|complet|finish|success|natural|normal"
        r"|\b(?:end|ended|done|final|ok|turn_end|end_turn|end_of_\w+)\b",
    ),
)
_KINDS = tuple((kind, re.compile(stems)) for kind, stems in _STEMS)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATOR = re.compile(r"[^a-z0-9]+")


def finish_of(word: str) -> Finish | None:
    """Return the meaning of a finish reason; None if it says that the reply has not ended."""
    name = _SEPARATOR.sub("_", _HUMP.sub("_", word).lower()).strip("_")
    if _NO_REASON.fullmatch(name):
        return None
    words = name.replace("_", " ")
    for kind, stems in _KINDS:
        if stems.search(name) or stems.search(words):
            return kind
    return Finish.UNKNOWN
