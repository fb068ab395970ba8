"""Rewrite Markdown from models and users so that st.markdown renders it as they wrote it.

`markdown` parses a text and writes it in a canonical form; `plain_text` escapes everything. This
package must know the frontend's Markdown dialect and nothing else: no Streamlit, no conversation,
no settings.
"""

import re
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from unicodedata import category

from pages.markdown import block_splitter, canonical, parser
from pages.markdown.escaping import DIRECTION_CONTROL, TEXT_BREAK, escape
from pages.markdown.writer import Writer, tree

# The empty groups match where two characters would be replaced together, such as "->".
LABEL_PUNCTUATION = re.compile(
    r"[!-/:-@\[-`{-~](?:(?<=:)(?=[\w/+-])()|(?<=@)(?=\w)()|(?<=[<>=~-])(?=[>=-])())?"
)
BREAK_PLACEHOLDER = "\0"
WWW = re.compile(r"(?<![A-Za-z])(www)(?=\.)", re.IGNORECASE)
NO_REFERENCES: Mapping[str, Any] = MappingProxyType({})
BOM = "\ufeff"
JOINERS = "\u200c\u200d"  # required by Persian, Indic scripts and composed emoji


def document(text: str, *, keeps_lines: bool = False) -> tuple[str, ...]:
    """Return the segments of a complete text, sanitized.

    A footnote is shown in the segment of its mark, so a text that has any is one segment.
    """
    parts = block_splitter.split_blocks(text)
    env: dict[str, Any] = {}
    if len(parts) > 1 and not keeps_lines:
        parser.parse_blocks(_normalized(text), env)
        if env.get("footnotes"):
            return (markdown(text),)
    references = env.get("references", {})
    return tuple(markdown(part, references=references, keeps_lines=keeps_lines) for part in parts)


def markdown(
    text: str,
    *,
    references: Mapping[str, Any] = NO_REFERENCES,
    is_growing: bool = False,
    keeps_lines: bool = False,
) -> str:
    """Return Markdown that st.markdown renders as the author of `text` meant it, in linear time.

    `references` are the link definitions of the document around the text. The end of a growing text
    is written as if its open emphasis ended there. With `keeps_lines`, each line end is rendered.
    """
    text = _normalized(text)
    env = {"references": dict(references), "is_growing": is_growing}
    tokens = parser.parse(text, env, keeps_definitions=keeps_lines)
    if any(token.level >= parser.MAX_NESTING - 1 for token in tokens):
        return as_text(text)
    # Two messages of a page must not share the addresses of their footnotes.
    first_note = zlib.crc32(text.encode(errors="replace")) * 1000 + 1
    writer = Writer(keeps_lines=keeps_lines, draws_diagrams=not is_growing, first_note=first_note)
    lines = writer.write(tree(tokens))
    return "\n".join(lines) if canonical.is_canonical(lines) else as_text(text)


def _normalized(text: str) -> str:
    """Return the text without characters that could hide a fence, and with one kind of line end."""
    text = DIRECTION_CONTROL.sub("", text).lstrip(BOM)
    return re.sub(r"\r\n?", "\n", text)


def as_text(text: str) -> str:
    """Return all of `text` escaped, with its lines."""
    escaped = (escape(line.strip(" \t")) for line in _normalized(text).split("\n"))
    return re.sub(r"(?<=[^\n])\n(?=[^\n])", "\\\n", "\n".join(escaped)).strip("\n")


def plain_text(text: str) -> str:
    """Return `text` as one escaped line for a Markdown label, such as a title or a file name."""
    text = re.sub(r"[\s\u2028\u2029]+", " ", text).strip()
    text = "".join(c for c in text if c in JOINERS or category(c) not in {"Cc", "Cf", "Cs"})
    text = LABEL_PUNCTUATION.sub(_escape_punctuation, WWW.sub(rf"\1{BREAK_PLACEHOLDER}", text))
    return text.replace(BREAK_PLACEHOLDER, TEXT_BREAK)


def _escape_punctuation(found: re.Match[str]) -> str:
    return f"\\{found[0]}" + (BREAK_PLACEHOLDER if found.lastindex else "")
