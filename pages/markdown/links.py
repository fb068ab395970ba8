"""URLs of links: which are allowed, how they are written, and whether a link hides its host.

This module must not know Markdown.
"""

import re
from unicodedata import category, normalize
from urllib.parse import quote, unquote

ALLOWED_SCHEMES = {"http", "https", "mailto", "tel"}  # others can start programs or run scripts
URL_END = re.compile(r"""[\s<>\[\]`"\\|，。；：！？、（）「」『』【】《》]""")
TRAILING = "?!.,:*_~';"  # punctuation that ends a sentence and not a URL
INVISIBLE = re.compile(r"[\s\0-\x20\x7f-\xa0\u200b-\u200f\ufeff]")
HTTP_HOST = re.compile(r"(?:https?:/*|//+)([^/?#]*)", re.IGNORECASE)
# Characters that look like the dot of a host name, after compatibility normalization.
DOTS = re.compile(
    "[\u3002\u00b7\u0387\u2022\u2027\u2219\u22c5\u30fb\ua4f8\ua60e\u0701\u0702\u06d4\u0660\u06f0"
    "\u16eb\u1427\u2e31\u2e33\u02d9\u0589\u05c3\ufe12\U0001d16d\U00010a50]"
)
# Characters without a glyph that are not of the category Cf.
BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f"
    "\U000e0100-\U000e01ef]"
)
WORD = re.compile(r"(//)?([\w.@:\[\]-]+)")
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


def match_url(text: str, start: int, end: int) -> str:
    """Return the bare URL at `start`, without the punctuation that ends the sentence."""
    found = URL_END.search(text, start, end)
    url = text[start : found.start() if found else end].rstrip(TRAILING)
    surplus = url.count(")") - url.count("(")
    length = len(url)
    while surplus > 0 and url[length - 1] in (")" + TRAILING):
        surplus -= url[length - 1] == ")"
        length -= 1
    return url[:length].rstrip(TRAILING)


def encode(url: str) -> str:
    """Return a destination as the ASCII URL that a browser reads from it."""
    url = re.sub(r"[\t\n\r]", "", url.strip("".join(map(chr, range(0x21)))))
    address, mark, rest = url.partition("?")
    address = address.replace("\\", "/") + mark + rest
    return quote(address, safe="!#$%&'*+,-./:;=?@_~", errors="replace")


def is_allowed(url: str) -> bool:
    """Return whether a link may have this destination: a relative URL or an allowed scheme."""
    address = INVISIBLE.sub("", url)
    scheme, colon, _ = re.split("[/?#]", address, maxsplit=1)[0].partition(":")
    return not colon or scheme.casefold() in ALLOWED_SCHEMES


def host_of(url: str) -> str:
    """Return the host of a destination in lower-case ASCII (IDNA), or "" if it has none."""
    found = HTTP_HOST.match(encode(url))
    host = unquote(found[1]).rpartition("@")[2].casefold() if found else ""
    host = re.sub(r":\d*\Z", "", host)
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            host = "".join(c if c.isascii() else "?" for c in host)
    return re.sub(r"[^a-z0-9.?:_-]", "", host)


def host_note(shown: str, url: str) -> str:
    """Return the host to show beside a link if its text names another host or nothing visible."""
    host = host_of(url)
    if not host or len(shown) > MAX_LABEL_LENGTH:
        return host
    text = DOTS.sub(".", BLANKS.sub("", normalize("NFKC", shown)))
    text = "".join(c for c in text if category(c) != "Cf").casefold()
    if not any(c.isalnum() or category(c) == "So" for c in text):
        return host
    own = host.removeprefix("www.")
    names = (name.removeprefix("www.") for found in WORD.finditer(text) for name in _hosts(found))
    return "" if all(name == own or own.endswith(f".{name}") for name in names) else host


def _hosts(found: re.Match[str]) -> list[str]:
    """Return the hosts that a match of `WORD` names."""
    after = found.string[found.end() : found.end() + 1]
    if found[1]:
        host = found[2].rpartition("@")[2]
        return [host.rpartition(":")[0] or host]
    if (
        "@" not in found[2]
        and after not in ("/", "\\", "?")
        and FILE_NAME.fullmatch(found[2].rstrip("."))
    ):
        return []
    parts = re.split("[@:]", found[2].strip("[]"))
    has_port = len(parts) > 1 and parts[-1].isdigit() and len(parts[-1]) > 1
    return [
        part.strip(".-")
        for part in parts
        if _is_host(part.strip(".-")) or (has_port and part == parts[-2])
    ]


def _is_host(name: str) -> bool:
    labels = name.split(".")
    if len(labels) == 1:
        return name == "localhost"
    is_address = len(labels) == 4 and all(map(str.isdigit, labels))
    last = labels[-1]
    return is_address or last.startswith("xn--") or (len(last) > 1 and last.isalpha())


def shows_host(shown: str, url: str) -> bool:
    """Return whether a text that looks like `url` starts with its actual host."""
    host = host_of(url)
    begins = re.match(r"(?:https?:/*)?", shown, re.IGNORECASE)
    rest = shown[begins.end() :].casefold() if begins else ""
    after = rest[len(host) :]
    is_whole = not after or not (after[0].isalnum() or after[0] in "_.@-")
    return rest.startswith(host) and is_whole and "@" not in after.partition("/")[0]
