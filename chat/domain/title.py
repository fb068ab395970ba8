"""Titles of conversations, derived from the first message."""

from __future__ import annotations

import re
import unicodedata

UNTITLED = "New conversation"
TITLE_LENGTH = 60

_MARKS = (
    (re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.M), " "),  # fence with its language
    (
        re.compile(r"^[ \t]*(?:#{1,6}|>+|[-*+]|\d{1,3}[.)])[ \t]+", re.M),
        "",
    ),  # heading, quote or list marker
    (re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$", re.M), " "),  # thematic break
    (re.compile(r"!?\[([^\[\]\n]{1,200})\]\([^()\s]{1,500}\)"), r"\1"),  # link text
    (re.compile(r"\*{1,3}(?=\S)([^*\n]{1,200})(?<=\S)\*{1,3}"), r"\1"),
    (re.compile(r"(?<!\w)_{1,3}(?=\S)([^_\n]{1,200})(?<=\S)_{1,3}(?!\w)"), r"\1"),
    (re.compile(r"~~(?=\S)([^~\n]{1,200})~~"), r"\1"),
    (re.compile(r"`+"), ""),
)


def title_from(text: str) -> str:
    """Return the first words of a message without Markdown, at most 60 characters."""
    start = text.lstrip()[:2000]
    for pattern, words in _MARKS:
        start = pattern.sub(words, start)
    title = " ".join("".join(map(_plain, start)).split())
    if not any(character.isprintable() and not character.isspace() for character in title):
        return UNTITLED
    if len(title) <= TITLE_LENGTH:
        return title
    return _cut(title).rstrip(" ,;:-") + "…"


def _plain(character: str) -> str:
    """Return a space for whitespace, nothing for invisible characters, else the character."""
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Co", "Cn") or (category == "Cf" and character != _JOINER):
        return ""
    return character


_JOINER = "\u200d"  # zero-width joiner, which combines emoji


def _cut(title: str) -> str:
    """Return the whole words that leave room for an ellipsis, or the start of a long word."""
    head = title[: TITLE_LENGTH - 1]
    if title[len(head)] == " ":
        return head
    words, space, _ = head.rpartition(" ")
    if space and len(words) >= TITLE_LENGTH // 3:
        return words
    end = len(head)
    while end > 1 and _extends_previous_character(title, end):
        end -= 1
    return head[:end]


def _extends_previous_character(title: str, at: int) -> bool:
    return (
        _JOINER in (title[at], title[at - 1])
        or unicodedata.combining(title[at]) != 0
        or unicodedata.category(title[at]) in ("Mn", "Me", "Sk")
    )
