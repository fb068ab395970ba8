"""The tags that mark reasoning inside the text of a reply. Pure data and matching.

Opening tags are compared in lower case, except for the ones in brackets, which occur in ordinary
text.
"""

from __future__ import annotations

import functools
import re

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think", "mm:think")
_PAIRS = {
    **{f"<{name}>": f"</{name}>" for name in _NAMES},
    "[THINK]": "[/THINK]",
    "[THINKING]": "[/THINKING]",
    "[REASONING]": "[/REASONING]",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|begin_of_thinking|>": "<|end_of_thinking|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|think|>": "<|/think|>",
    "◁think▷": "◁/think▷",
    "<|channel|>analysis<|message|>": "<|end|>",
}
_GENERIC = {"<|end|>"}  # closes other parts of a reply too
# Tags around the answer that follows such reasoning, with the tag that ends the answer.
_ANSWER_TAGS = {
    "<|begin_of_solution|>": "<|end_of_solution|>",
    "<|start_response|>": "<|end_response|>",
    "<|start|>assistant<|channel|>final<|message|>": "<|return|>",
    "<|channel|>final<|message|>": "<|return|>",
}
_CLOSINGS = tuple(close for close in _PAIRS.values() if close not in _GENERIC)
CLOSING = re.compile("|".join(re.escape(tag) for tag in _CLOSINGS), re.IGNORECASE)
OPENING = re.compile("|".join(re.escape(tag) for tag in _PAIRS), re.IGNORECASE)


def opening_at(text: str) -> tuple[str, str] | None:
    """Return the (opening, closing) tags if `text` begins with an opening tag."""
    return _first(text, _PAIRS)


@functools.cache
def tags_of_block(opening: str, closing: str) -> re.Pattern[str]:
    """Return a pattern for both tags of a block of reasoning, in the groups `open` and `close`."""
    flags = re.NOFLAG if opening.startswith("[") else re.IGNORECASE
    return re.compile(f"(?P<open>{re.escape(opening)})|(?P<close>{re.escape(closing)})", flags)


def closing_at(text: str) -> str | None:
    """Return the closing tag that `text` begins with."""
    found = CLOSING.match(text)
    return found.group() if found else None


def answer_tag_at(text: str) -> tuple[str, str] | None:
    """Return the (opening, closing) tags of the answer if `text` begins with the opening one."""
    return _first(text, _ANSWER_TAGS)


def may_begin_opening(text: str) -> bool:
    """Return whether `text` may be the beginning of an opening tag; true for an empty text."""
    return any(_folded(tag, text).startswith(_folded(text, tag)) for tag in _PAIRS)


def may_begin_any(text: str) -> bool:
    """Return whether `text` may be the beginning of any tag."""
    return may_begin_opening(text) or any(
        tag.lower().startswith(text.lower()) for tag in (*_CLOSINGS, *_ANSWER_TAGS)
    )


def without_tags(reasoning: str) -> str:
    """Return a piece of a reasoning field; "" for a tag, which some servers send with it."""
    piece = reasoning.strip()
    if piece and (OPENING.fullmatch(piece) or CLOSING.fullmatch(piece)):
        return ""
    return reasoning


def _first(text: str, tags: dict[str, str]) -> tuple[str, str] | None:
    for opening, closing in tags.items():
        if _folded(text[: len(opening)], opening) == _folded(opening, opening):
            return opening, closing
    return None


def _folded(text: str, tag: str) -> str:
    return text if tag.startswith("[") else text.lower()
