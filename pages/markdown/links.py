"""CommonMark parsing of link parts: URLs, destinations, titles, labels and definitions.

The functions take a text and an index. This module must not know whether the part belongs to a link
or an image, or how it is written for the frontend.
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
ALLOWED_SCHEMES = {"http", "https", "mailto", "tel"}  # others can start programs or run scripts
URL = re.compile(r"https?://[^\s<>\[\]`\"\\|，。；：！？、（）「」『』【】《》]+", re.IGNORECASE)
TITLE = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)""", re.DOTALL)
BLANKS = re.compile(r"[ \t\n]*")
ANGLE_DESTINATION = re.compile(r"<(?:[^<>\\\n]|\\.)*>")
BARE_DESTINATION = re.compile(r"[()]|(?>\\[!-/:-@\[-`{-~]|[^ ()\\\x00-\x1f\x7f]|\\)++")
MAX_PARENTHESES = 8  # the frontend allows 32; URLs rarely nest any, and each level costs time
LABEL = re.compile(r"\[([^\[\]\\]{0,999})\]")
FOOTNOTE = re.compile(r"\^[^\s\[\]]{1,999}\]")
# Stricter than CommonMark: a line that the frontend might not parse as a definition is text.
DEFINITION = re.compile(
    r"\[(?!\s*\])([^\[\]\\^][^\[\]\\]{0,998})\]: *"
    r"(<[^<>\\\[\]\x00-\x1f\x7f]*>|[^\s<()\\\[\]\x00-\x1f\x7f]+)"
    r"""(?: +(?:"[^"\\\[\]]*"|'[^'\\\[\]]*'|\([^()\\\[\]]*\)))? *$"""
)
ESCAPE_OR_REFERENCE = re.compile(r"\\([!-/:-@\[-`{-~])|&(?:#\w+|\w+);")
CONTROL_CHARACTERS = "".join(map(chr, range(0x21)))
HOST_LIKE = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}\.?(?![\w@])")
# File and product names that look like host names. The first extensions are not top-level domains;
# py, rs, sh and md are, so they count only after common file names.
FILE_NAME = re.compile(
    r"[\w-]+\.(?:[cm]?[jt]s|[jt]sx|json|toml|ya?ml|txt|csv|xml|pdf|html?|css|go|java|cpp|sql|ipynb|cfg|"
    r"ini|lock|log|png|jpe?g|gif|svg|docx|xlsx|pptx)"
    r"|(?:[\w-]*_[\w-]*|main|app|setup|manage|conftest|index|lib|mod|build|install|run|start|test|tests|"
    r"utils?|config|settings|models|server|client|example|readme|changelog|contributing|license|"
    r"security)\.(?:py|rs|sh|md)"
    r"|(?:asp|ado|vb|ml)\.net"
)
MAX_LABEL_LENGTH = 1000  # characters; a longer link text always gets the host beside it
INCOMPLETE_TARGET = re.compile(r"\([^\s!\[\]$`()<]*$")


def normalize_label(label: str) -> str:
    """Return the normalized form by which a label and its definition match."""
    return " ".join(label.split()).casefold()


def parse_target(text: str, start: int) -> tuple[str, int] | None:
    """Parse `(destination "title")` at `start`; return the destination and the end index."""
    if not text.startswith("(", start):
        return None
    end = start = skip_blanks(text, start + 1)
    if pointed := ANGLE_DESTINATION.match(text, start):
        end = pointed.end()
    elif not text.startswith("<", start):
        depth = 0
        while found := BARE_DESTINATION.match(text, end):
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            if not -1 < depth < MAX_PARENTHESES:
                break
            end = found.end()
    position = skip_blanks(text, end)
    if position > end and (title := TITLE.match(text, position)):
        position = skip_blanks(text, title.end())
    return (text[start:end], position + 1) if text.startswith(")", position) else None


def match_url(text: str, start: int) -> str:
    """Return the bare URL at `start`, without the punctuation that ends the sentence."""
    found = URL.match(text, start)
    assert found is not None
    url = found[0].rstrip("?!.,:*_~';")
    while url.endswith(")") and url.count(")") > url.count("("):
        url = url[:-1].rstrip("?!.,:*_~';")
    return url


def decode_destination(target: str) -> str:
    """Return the URL that a browser reads from a link destination."""
    found = re.sub(r"^<(.*)>$", r"\1", target, flags=re.DOTALL)
    found = ESCAPE_OR_REFERENCE.sub(lambda mark: mark[1] or unescape(mark[0]), found)
    return re.sub(r"[\t\n\r]", "", found.strip(CONTROL_CHARACTERS))


def is_allowed(target: str) -> bool:
    """Return whether a link may have this destination: a relative URL or an allowed scheme."""
    scheme = SCHEME.match(
        re.sub(r"[\s\0-\x20\x7f-\xa0\u200b-\u200f\ufeff]", "", decode_destination(target))
    )
    return scheme is None or scheme[1].casefold() in ALLOWED_SCHEMES


def host_of(target: str) -> str:
    """Return the host of a destination in lower-case ASCII (IDNA), or "" if it has none."""
    found = re.match(
        r"(?:https?:/*|//+)([^/?#]*)", decode_destination(target).replace("\\", "/"), re.I
    )
    host = unquote(found[1]).rpartition("@")[2].casefold() if found else ""
    host = re.sub(r":\d*$", "", host)
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            host = "".join(c if c.isascii() else "?" for c in host)
    return re.sub(r"[^a-z0-9.?:_-]", "", host)


def host_note(shown: str, target: str) -> str:
    """Return the host to show beside a link if its text names another host or nothing visible."""
    host = host_of(target)
    if not host or len(shown) > MAX_LABEL_LENGTH:
        return host
    text = normalize(
        "NFKC", ESCAPE_OR_REFERENCE.sub(lambda mark: mark[1] or unescape(mark[0]), shown)
    )
    text = "".join(c for c in text if category(c) != "Cf").casefold()
    if not any(c.isalnum() or category(c) == "So" for c in text):
        return host
    own = host.removeprefix("www.")
    named = (
        found[0].strip(".-").removeprefix("www.")
        for found in HOST_LIKE.finditer(text)
        if not _is_file_name(text, found)
    )
    return "" if all(name == own or own.endswith(f".{name}") for name in named) else host


def _is_file_name(text: str, found: re.Match[str]) -> bool:
    """Return whether this match of `HOST_LIKE` is a file name outside of any URL."""
    before, after = text[: found.start()], text[found.end() : found.end() + 1]
    is_address = before.endswith(("//", "@", ".")) or after in {"/", "\\", "?"}
    return not is_address and FILE_NAME.fullmatch(found[0].rstrip(".")) is not None


def skip_blanks(text: str, start: int) -> int:
    """Return the index after the spaces, tabs and line endings at `start`."""
    return BLANKS.match(text, start).end()  # type: ignore[union-attr]
