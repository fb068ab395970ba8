"""Join characters that a provider has cut into two events. Pure."""

from __future__ import annotations

import codecs
import re

_LONE = re.compile("[\ud800-\udfff]")
_PENDING = re.compile("[\ud800-\udbff]$")  # the first half of a surrogate pair
_NOT_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def _has_lone(text: str) -> bool:
    return not text.isascii() and _LONE.search(text) is not None


class TextJoiner:
    """Incremental joiner for one field of a reply.

    Its input is the text of `sse.parse_event`: a lone surrogate is half of a character that JSON
    escapes in two halves, or one byte (U+DC80 to U+DCFF) of a character that was cut between its
    bytes. A half without its other half becomes a replacement character.
    """

    def __init__(self) -> None:
        self._half = ""
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")
        self._has_bytes = False

    def feed(self, text: str) -> str:
        """Return the characters that `text` completes."""
        if not text or not (self._half or self._has_bytes or _has_lone(text)):
            return text
        units = (self._half + text).encode("utf-16-le", "surrogatepass")
        text = units.decode("utf-16-le", "surrogatepass")  # joins the pairs
        self._half = text[-1] if _PENDING.search(text) else ""
        text = text.removesuffix(self._half) if self._half else text
        return self._decode(text)

    def finish(self) -> str:
        """Return the replacement for a half that is still waiting for the other one."""
        rest, self._half = "\ufffd" if self._half else "", ""
        self._has_bytes = False
        return self._bytes.decode(b"", final=True) + rest

    def _decode(self, text: str) -> str:
        raw = _NOT_BYTES.sub("\ufffd", text).encode("utf-8", "surrogateescape")
        found = self._bytes.decode(raw)
        self._has_bytes = bool(self._bytes.getstate()[0])
        return found
