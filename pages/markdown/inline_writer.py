"""Write the inline tokens of a block as canonical Markdown.

This module must not know blocks or containers.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import category

from markdown_it.token import Token

from pages.markdown import links
from pages.markdown.escaping import TEXT_BREAK, code_span, destination, escape

MARKERS = {"em": "*", "strong": "**", "s": "~~"}
TASK = re.compile(r"\[[ xX]\](?=[ \t])")
AS_TAG = re.compile(r"<(?=[A-Za-z/!?])")  # in a formula, a space after it changes nothing
SENTENCE_ENDS = (".", ",", ";", ":")


class Context(NamedTuple):
    """The place of a text: whether it may have lines, and begin with the box of a task."""

    in_table: bool = False
    has_lines: bool = True
    keeps_lines: bool = False  # each line end of the source is rendered
    can_be_task: bool = False


class Marker(str):
    """The beginning or end of emphasis."""

    is_open: bool


def write(tokens: Sequence[Token], context: Context, notes: dict[str, int], first_note: int) -> str:
    """Return the text. None of its lines can begin another block, except for formulas.

    Adds the labels of footnotes to `notes`, with numbers from `first_note`.
    """
    writer = _Writer(context, notes, first_note)
    writer.write(tokens)
    return _join(writer.parts)


class _Writer:
    def __init__(self, context: Context, notes: dict[str, int], first_note: int) -> None:
        self._context, self._notes, self._first_note = context, notes, first_note
        self.parts: list[str] = []
        self._links: list[tuple[Token, int]] = []  # open links and images, and where they begin
        self._shown: list[str] = []  # the text of the outermost open link
        self._open_markers = 0
        self._written: Token | None = None  # the punctuation that a formula took in

    def write(self, tokens: Sequence[Token]) -> None:
        for number, token in enumerate(tokens):
            kind, _, place = token.type.rpartition("_")
            if kind in MARKERS:
                self._marker(MARKERS[kind], is_open=place == "open")
            elif token.type.endswith("break"):
                self._line_end(is_hard=token.type == "hardbreak")
            elif place == "open":
                self._links.append((token, len(self.parts)))
                self._add("")
            elif place == "close":
                self._close_link(*self._links.pop())
            elif token.type.endswith("formula"):
                self._formula(token, tokens[number + 1 : number + 3])
            elif token.type == "code_inline":
                self._add(code_span(token.content, in_table=self._context.in_table), token.content)
            elif token.type == "footnote_ref":
                note = self._first_note + len(self._notes)
                self._add(f"[^{self._notes.setdefault(token.meta['label'], note)}]")
            elif token is not self._written:
                self._text(token.content)

    def _add(self, part: str, shown: str = "") -> None:
        self.parts.append(part)
        if self._links:
            self._shown.append(shown)

    def _text(self, text: str) -> None:
        last = self.parts[-1] if self.parts else ""
        if isinstance(last, Marker) and last.is_open:
            text = text.lstrip()
        elif not self.parts and self._context.can_be_task and (task := TASK.match(text)):
            self._add(f"{task[0]} ")
            text = text[task.end() :].lstrip()
        before = next(filter(None, reversed(self.parts)), "\n")
        self._add(escape(text, before=before, in_link=bool(self._links)), text)

    def _marker(self, text: str, *, is_open: bool) -> None:
        marker = Marker(text)
        marker.is_open = is_open
        self._open_markers += 1 if is_open else -1
        if not is_open and not isinstance(self.parts[-1], Marker):
            self.parts[-1] = self.parts[-1].rstrip(" ")
        self._add(marker)

    def _line_end(self, *, is_hard: bool) -> None:
        if not self._context.has_lines:
            self._add(" ", " ")
        else:
            self._add("\\\n" if is_hard or self._context.keeps_lines else "\n", " ")

    def _close_link(self, token: Token, first: int) -> None:
        """Write a link, or an image as a link. What is inside of another link is only text."""
        href, is_image = str(token.attrs["href"]), token.type == "image_open"
        shown = "".join(self._shown).strip()
        if is_image:
            host = links.host_of(href)
        elif shown in (href, href.removeprefix("http://")):
            host = "" if links.shows_host(shown, href) else links.host_of(href)
        else:
            host = links.host_note(shown, href)
        note = escape(host, before=" ", in_link=True)
        if self._links:
            if is_image and host:
                self._add(f" \\({note})", f" ({host})")
            return
        self._shown.clear()
        if href and links.is_allowed(href) and (shown or host):
            self.parts[first] = "["
            self.parts.append(f" \\({note})" if shown and host else note)
            title = "" if is_image else str(token.attrs.get("title", ""))
            self.parts.append("]" + destination(href, title))

    def _formula(self, token: Token, following: Sequence[Token]) -> None:
        body = AS_TAG.sub("< ", " ".join(token.content.split("\n"))).strip(" \t")
        if token.type == "display_formula" and self._display(token, body, following):
            return
        if self._context.in_table:
            body = body.replace("\\|", "\\Vert{}").replace("|", "\\vert{}")
        if body.endswith("$") or body.startswith("$"):
            written = f"$$ {body} $$"
        else:
            fence = "$$" if "$" in body or token.type == "display_formula" else "$"
            written = f"{fence}{body}{fence}"
        self._add(written, body)

    def _display(self, token: Token, body: str, following: Sequence[Token]) -> bool:
        """Write a formula on lines of its own, if the block and the text around allow it."""
        if self._links or self._open_markers or not self._context.has_lines:
            return False
        after = following[0].content.strip() if following and following[0].type == "text" else ""
        rest = following[1:] if after else following
        ends_line = after in ("", *SENTENCE_ENDS) and (not rest or rest[0].type.endswith("break"))
        starts_line = not self.parts or self.parts[-1].endswith("\n")
        if token.markup != "\\[" and not (starts_line and ends_line):
            return False
        if ends_line and after:
            body, self._written = body + after, following[0]
        start, end = "" if starts_line else "\n", "" if ends_line else "\n"
        self._add(f"{start}$$\n{body}\n$${end}")
        return True


def _join(parts: Sequence[str]) -> str:
    """Return the parts as one text, with text breaks between parts that would merge."""
    written: list[str] = []
    parts = [part for part in parts if part]
    for part, following in zip(parts, [*parts[1:], "\n"], strict=False):
        last = written[-1][-1] if written else "\n"
        if isinstance(part, Marker):
            written += _separated(part, written[-1][-2:] if written else last, following[0])
        elif part[0] in "`$" and last == part[0]:
            written += [TEXT_BREAK, part]
        elif part.endswith("\n"):
            while written and not written[-1].strip(" "):
                written.pop()
            if written and not written[-1].endswith("\n"):
                written[-1] = written[-1].rstrip(" ")
                written.append(part)
        elif last != "\n" or (part := part.lstrip(" ")):
            written.append(part)
    return "".join(written).rstrip(" ").removesuffix("\\\n").strip("\n")


def _separated(marker: Marker, before: str, after: str) -> list[str]:
    """Return a marker of emphasis with the text breaks that it needs.

    In CommonMark, a marker between a letter and punctuation does not always begin or end emphasis.
    """
    is_apart = before[-1] != marker[0] or before[0] == "\\"
    is_word_before, is_word_after = is_apart and _is_word(before[-1]), _is_word(after)
    first = [] if is_apart else [TEXT_BREAK]
    if marker.is_open:
        return [*first, *([TEXT_BREAK] if is_word_before and not is_word_after else []), marker]
    return [*first, marker, *([TEXT_BREAK] if is_word_after and not is_word_before else [])]


def _is_word(character: str) -> bool:
    return not (character.isspace() or category(character)[0] in "PS")
