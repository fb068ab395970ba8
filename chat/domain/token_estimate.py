"""Estimates of token counts, used if no tokenizer is available."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from chat.domain.long_text_estimate import weigh_long_text

TOKENS_PER_MESSAGE = 4  # role and separators, in addition to the text


@dataclass(frozen=True)
class TokenCount:
    tokens: int
    is_exact: bool


# Kinds of pieces, each with its own weight, fitted to o200k_base. No alternative backtracks far,
# so that matching takes linear time on any text.
_WORD = r" ?[A-Z]?[a-z\u00aa-\u024f\u0300-\u036f\u1e00-\u1eff]+"
_PIECES = re.compile(
    r"(?P<blob>[A-Za-z0-9+/=_\-]{24,})"
    rf"|(?P<word>{_WORD})"
    r"|(?P<capitals> ?[A-Z]+)"
    r"|(?P<digits>[0-9]{1,3})"
    r"|(?P<marks> ?[!-/:-@\[-`{-~]+[\r\n]*)"
    r"|(?P<letters> ?[\u0370-\u0dff\u1f00-\u1fff]+)"
    r"|(?P<thai> ?[\u0e00-\u0e7f]+)"
    r"|(?P<ideographs> ?[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]+)"
    r"|(?P<emoji> ?[\U0001f000-\U0001faff]+)"
    r"|(?P<space>[ \t]*[\r\n]+|[^\S\r\n]+)"
    r"|(?P<rare>[\U00010000-\U0001efff\U0001fb00-\U0010ffff\ud800-\udfff\u0e80-\u1dff]+)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_BLOB_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]{1,3}|[+/=_\-]+")
_SAFETY_FACTOR = 1.1
_LONG = 50_000  # characters; matching pieces takes a second for a few millions of them


def estimate_tokens(text: str) -> int:
    """Return an estimate of the tokens of `text`, rather too high, at most its size in bytes."""
    if len(text) > _LONG:
        tokens = weigh_long_text(text)
    else:
        tokens = sum(_weigh(match.lastgroup, match.group()) for match in _PIECES.finditer(text))
    return min(math.ceil(tokens * _SAFETY_FACTOR), len(text.encode("utf-8", "surrogatepass")))


def _weigh(kind: str | None, piece: str) -> float:
    size = len(piece)
    match kind:
        case "word":
            return 1 + (max(0, size - 6) / 6 if piece.isascii() else max(0, size - 3) / 2.8)
        case "capitals":
            return 1 + max(0, size - 4) / 4
        case "marks":
            return 1 + max(0, size - 2) / 6
        case "letters":
            return 1 + max(0, size - 3) / 3.5
        case "thai":
            return 0.4 * size
        case "ideographs":
            return 0.85 * size
        case "emoji":
            return 1.4 * size
        case "rare":
            return 3.0 * size
        case "space":
            return 1 + max(0, size - 64) / 16
        case "blob":  # a path or long identifier, or base64 without words
            words = _BLOB_PIECES.findall(piece)
            if size < 2.6 * len(words):
                return 1.25 * len(words)
            return sum(1 + max(0, len(word) - 5) / 6 for word in words)
        case _:
            return 1.0
