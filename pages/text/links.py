"""What a link is made of: addresses, destinations, titles, labels and definitions.

Reads them as CommonMark does, from a text and a place in it. This module must not know whether a
link or an image comes of it, nor what is written for the frontend.
"""

import re
from html import unescape
from urllib.parse import urlsplit

AUTOLINK = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>\x00-\x1f]*>|<[\w.+-]+@[\w.-]+>")
SCRIPT = re.compile(r"(?:javascript|vbscript|data):", re.IGNORECASE)
URL = re.compile(r"https?://[^\s<>\[\]`\"\\|，。；：！？、（）「」『』【】《》]+", re.IGNORECASE)
TITLE = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)""", re.DOTALL)
BLANKS = re.compile(r"\s*")
POINTED = re.compile(r"<(?:[^<>\\\n]|\\.)*>")
BARE = re.compile(r"[()]|(?>\\[!-/:-@\[-`{-~]|[^\s()\x00-\x1f])++")
DEEPEST_PARENTHESES = 8  # the frontend reads 32; no address needs them, and they cost time
LABEL = re.compile(r"\[([^\[\]\\]{0,999})\]")
FOOTNOTE = re.compile(r"\^[^\s\[\]]{1,999}\]")
DEFINITION = re.compile(
    r"\[([^\[\]\\^][^\[\]\\]{0,998})\]: *(<[^<>\\\n]*>|[^\s<()\\]+)"
    r"""(?: +(?:"[^"\\]*"|'[^'\\]*'|\([^()\\]*\)))? *$"""
)
HALF_OPEN = re.compile(r"\([^\s!\[\]$`()]*$")


def reference(label: str) -> str:
    """The name that a label and its definition share."""
    return " ".join(label.split()).casefold()


def resource(text: str, at: int) -> tuple[str, int] | None:
    """The destination and the end of `(destination "title")`."""
    if not text.startswith("(", at):
        return None
    at = start = skip(text, at + 1)
    if pointed := POINTED.match(text, at):
        at = pointed.end()
    elif not text.startswith("<", at):
        depth = 0
        while found := BARE.match(text, at):
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            if not -1 < depth < DEEPEST_PARENTHESES:
                break
            at = found.end()
    target, before = text[start:at], at
    at = skip(text, at)
    if at > before and (title := TITLE.match(text, at)):
        at = skip(text, title.end())
    return (target, at + 1) if text.startswith(")", at) else None


def address(text: str, at: int) -> str:
    """The bare address at `at`, without the punctuation of the sentence around it."""
    found = URL.match(text, at)
    assert found is not None
    url = found[0].rstrip("?!.,:*_~';")
    while url.endswith(")") and url.count(")") > url.count("("):
        url = url[:-1].rstrip("?!.,:*_~';")
    return url


def host_of(target: str) -> str:
    """The host of a destination, as Markdown; empty where it has none."""
    try:
        host = urlsplit(unescape(target)).hostname or ""
    except ValueError:
        host = ""
    return re.sub(r"[^\w.-]", "", host).replace("_", "\\_")


def skip(text: str, at: int) -> int:
    """Where the blanks at `at` end."""
    return BLANKS.match(text, at).end()  # type: ignore[union-attr]
