"""What a link is made of: addresses, destinations, titles, labels and definitions.

Reads them as CommonMark does, from a text and a place in it. This module must not know whether a
link or an image comes of it, nor what is written for the frontend.
"""

import re
from html import unescape
from unicodedata import category, normalize
from urllib.parse import unquote

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
AUTOLINK = re.compile(
    r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^ <>\x00-\x1f\x7f]*>"
    rf"|<[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_NAME}(?:\.{_NAME})*>"
)
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
ALLOWED = {"http", "https", "mailto", "tel"}  # others start programs, or scripts
URL = re.compile(r"https?://[^\s<>\[\]`\"\\|，。；：！？、（）「」『』【】《》]+", re.IGNORECASE)
TITLE = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)""", re.DOTALL)
BLANKS = re.compile(r"[ \t\n]*")
POINTED = re.compile(r"<(?:[^<>\\\n]|\\.)*>")
BARE = re.compile(r"[()]|(?>\\[!-/:-@\[-`{-~]|[^ ()\\\x00-\x1f\x7f]|\\)++")
DEEPEST_PARENTHESES = 8  # the frontend reads 32; no address needs them, and they cost time
LABEL = re.compile(r"\[([^\[\]\\]{0,999})\]")
FOOTNOTE = re.compile(r"\^[^\s\[\]]{1,999}\]")
# Narrower than it could be: what the frontend might not read as a definition is read as text.
DEFINITION = re.compile(
    r"\[(?!\s*\])([^\[\]\\^][^\[\]\\]{0,998})\]: *"
    r"(<[^<>\\\[\]\x00-\x1f\x7f]*>|[^\s<()\\\[\]\x00-\x1f\x7f]+)"
    r"""(?: +(?:"[^"\\\[\]]*"|'[^'\\\[\]]*'|\([^()\\\[\]]*\)))? *$"""
)
MARKED = re.compile(r"\\([!-/:-@\[-`{-~])|&(?:#\w+|\w+);")  # an escape or a character reference
CONTROLS = "".join(map(chr, range(0x21)))
NAMED = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}\.?(?![\w@])")  # looks like a host
# File names and products that look like hosts. The first endings are no domains, so nothing is
# called that; the others are countries, so only names that files are given there count.
FILE = re.compile(
    r"[\w-]+\.(?:[cm]?[jt]s|[jt]sx|json|toml|ya?ml|txt|csv|xml|pdf|html?|css|go|java|cpp|sql|ipynb|cfg|"
    r"ini|lock|log|png|jpe?g|gif|svg|docx|xlsx|pptx)"
    r"|(?:[\w-]*_[\w-]*|main|app|setup|manage|conftest|index|lib|mod|build|install|run|start|test|tests|"
    r"utils?|config|settings|models|server|client|example|readme|changelog|contributing|license|"
    r"security)\.(?:py|rs|sh|md)"
    r"|(?:asp|ado|vb|ml)\.net"
)
LONGEST_TEXT = 1000  # of a link; no one reads on to see whether another host is named
HALF_OPEN = re.compile(r"\([^\s!\[\]$`()<]*$")


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


def destination(target: str) -> str:
    """Where a destination leads, as a browser reads it."""
    found = re.sub(r"^<(.*)>$", r"\1", target, flags=re.DOTALL)
    found = MARKED.sub(lambda mark: mark[1] or unescape(mark[0]), found)
    return re.sub(r"[\t\n\r]", "", found.strip(CONTROLS))


def is_allowed(target: str) -> bool:
    """Whether a link may lead there: another page, or a place on this one."""
    scheme = SCHEME.match(
        re.sub(r"[\s\0-\x20\x7f-\xa0\u200b-\u200f\ufeff]", "", destination(target))
    )
    return scheme is None or scheme[1].casefold() in ALLOWED


def host_of(target: str) -> str:
    """The host of a destination, as it is really called; empty where it has none."""
    found = re.match(r"(?:https?:/*|//+)([^/?#]*)", destination(target).replace("\\", "/"), re.I)
    host = unquote(found[1]).rpartition("@")[2].casefold() if found else ""
    host = re.sub(r":\d*$", "", host)
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            host = "".join(c if c.isascii() else "?" for c in host)
    return re.sub(r"[^a-z0-9.?:_-]", "", host)


def note_on(shown: str, target: str) -> str:
    """The host of a link whose text names another one, or shows none; else nothing."""
    host = host_of(target)
    if not host or len(shown) > LONGEST_TEXT:
        return host
    text = normalize("NFKC", MARKED.sub(lambda mark: mark[1] or unescape(mark[0]), shown))
    text = "".join(c for c in text if category(c) != "Cf").casefold()
    if not any(c.isalnum() or category(c) == "So" for c in text):
        return host
    own = host.removeprefix("www.")
    named = (
        found[0].strip(".-").removeprefix("www.")
        for found in NAMED.finditer(text)
        if not _is_file(text, found)
    )
    return "" if all(name == own or own.endswith(f".{name}") for name in named) else host


def _is_file(text: str, found: re.Match[str]) -> bool:
    """Whether what looks like a host is called as files are, and is in no address."""
    before, after = text[: found.start()], text[found.end() : found.end() + 1]
    is_address = before.endswith(("//", "@", ".")) or after in {"/", "\\", "?"}
    return not is_address and FILE.fullmatch(found[0].rstrip(".")) is not None


def skip(text: str, at: int) -> int:
    """Where the blanks at `at` end."""
    return BLANKS.match(text, at).end()  # type: ignore[union-attr]
