"""Escape text, code spans and link destinations so that every Markdown parser reads them alike.

This module must not know tokens or blocks.
"""

import re

from pages.markdown import links

# The frontend replaces shortcodes, icons, arrows and bare URLs after parsing, when escapes no
# longer exist. An empty directive between two characters splits the text node. It is invisible and
# not copied.
TEXT_BREAK = ":small[]"

ESCAPES = {ord(character): f"\\{character}" for character in r"\`*_[]<>&$~|!#:"}
PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
LINE_START = re.compile(r"[-+=]|[0-9]+(?=[.)])")
CONTROL = re.compile("[\0-\x1f\x7f]+")
DIRECTION_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")  # reverses the text that follows
ARROW = re.compile(r"(?<![^\s\ufeff])(?:<->|->|<-|--|>=|<=|~=)(?![^\s\ufeff])")
SPLIT = re.compile(r"https?(?=:)|www(?=\.)|:(?=[\w+-]+:|material[/_])", re.ASCII | re.IGNORECASE)
_BREAK = "\x01"  # TEXT_BREAK before escaping


def escape(text: str, *, before: str = "\n", in_link: bool = False) -> str:
    """Return plain text as one line of Markdown; `before` is what is written before it."""
    text = DIRECTION_CONTROL.sub("", CONTROL.sub(" ", text))
    text = ARROW.sub(lambda arrow: arrow[0][0] + _BREAK + arrow[0][1:], text)
    text = SPLIT.sub(lambda word: word[0] if in_link and word[0] != ":" else word[0] + _BREAK, text)
    first = ""
    if before.endswith("\n"):
        text = text.lstrip(" ")
        if found := LINE_START.match(text):
            is_number = found[0][0].isdigit()
            first = f"{found[0]}\\{text[found.end()]}" if is_number else f"\\{found[0]}"
            text = text[found.end() + is_number :]
    elif before.endswith("]") and text[:1] in ("(", "{"):
        first, text = f"\\{text[0]}", text[1:]
    return first + text.translate(ESCAPES).replace(_BREAK, TEXT_BREAK)


def code_span(code: str, *, in_table: bool = False) -> str:
    """Return a code span on one line."""
    code = CONTROL.sub(" ", code)
    # The bar could end a cell, and with it the code.
    if "|" in code and ("![" in code or (in_table and "\\|" in code)):
        return escape(code, before=" ")
    if in_table:
        code = code.replace("|", "\\|")
    fence = "`" * (longest_run("`", code) + 1)
    pad = " " if code.strip(" ") and (code[0] in "` " or code[-1] in "` ") else ""
    return f"{fence}{pad}{code}{pad}{fence}"


def longest_run(character: str, text: str) -> int:
    """Return the length of the longest run of `character`."""
    return max(map(len, re.findall(f"{re.escape(character)}+", text)), default=0)


def destination(url: str, title: str = "") -> str:
    """Return what follows the text of a link."""
    title = PUNCTUATION.sub(r"\\\g<0>", CONTROL.sub(" ", title).strip())
    after = f' "{title}"' if title else ""
    return f"(<{links.encode(url).replace('&', '&amp;')}>{after})"
