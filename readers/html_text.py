"""Text of HTML: no markup, styles or scripts, with line breaks where blocks end."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_HIDDEN = {"head", "script", "style", "template", "title"}
_BLOCK_NAMES = """address article aside blockquote br div dl dt dd fieldset figure footer form
    h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tr ul"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())


def html_to_text(html: str) -> str:
    parser = _TextParser()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in {"td", "th"}:
            self.parts.append("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(" ".join(re.split(r"\s+", data)))
