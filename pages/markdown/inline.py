"""Sanitizer for the inline Markdown of one block.

`InlineSanitizer` keeps code and formulas, escapes Streamlit's directives, shortcodes, arrows and
the dollar signs of prices, and turns images into links. This module must not know block structure,
containers or Streamlit.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from pages.markdown.formulas import FORMULA, is_formula, is_math
from pages.markdown.html_tags import EMPTY_COMMENTS, HTML_TAG, RAW_DELIMITERS
from pages.markdown.links import (
    AUTOLINK,
    FOOTNOTE,
    INCOMPLETE_TARGET,
    LABEL,
    host_note,
    host_of,
    is_allowed,
    match_url,
    normalize_label,
    parse_target,
    skip_blanks,
)

# The frontend replaces shortcodes, icons and arrows after parsing, when escapes no longer exist. An
# empty directive between two characters splits the text node, is invisible and is not copied.
TEXT_BREAK = ":small[]"

# Line breaks in the result of `InlineSanitizer`: from the source, added, or turned into a space.
SOURCE_BREAK, ADDED_BREAK, JOINED_BREAK = "\n", "\r", "\0"

COLON = r"(?:\\?:|&colon;|&#0*58;|&#x0*3a;)"
# The character reference of a colon ends a word. Otherwise each word would be scanned once for
# every colon before it, in quadratic time.
WORD = rf"(?=(?:[\w+-]++|\\[_+-]|(?!{COLON})&#?\w+;)++{COLON})"
ARROW_BOUNDARY = r"\s*_~()`:;|\[\]"  # the frontend replaces an arrow only between these
DASH, EQUALS, LESS, GREATER = r"\\?-", r"\\?=", r"(?:\\?<|&lt;)", r"(?:\\?>|&gt;)"
ARROW = (
    rf"(?<![^{ARROW_BOUNDARY}])(?:{LESS}{DASH}{GREATER}|{DASH}{GREATER}|{LESS}{DASH}|{DASH}{DASH}|"
    rf"{GREATER}{EQUALS}|{LESS}{EQUALS}|\\?~{EQUALS})(?![^{ARROW_BOUNDARY}])"
)
TOKEN = re.compile(
    rf"(?P<arrow>{ARROW})|(?P<colon>{COLON})|(?P<escape>\\[!-/:-@\[-`{{-~])|"
    r"(?P<tilde>(?<![~/])~(?![~=]))|"
    r"(?P<code>`+)|(?P<dollar>\$+)|(?P<open>!*\[)|(?P<close>\])|(?P<less><)|"
    r"(?P<url>(?<![A-Za-z0-9])https?://(?=[^\W_]))",
    re.IGNORECASE,
)
ARROW_PART = re.compile(rf"{LESS}|{GREATER}|{DASH}|{EQUALS}|\\?~", re.IGNORECASE)
WORD_AFTER = re.compile(WORD, re.ASCII | re.IGNORECASE)
WORD_INSIDE = re.compile(r":[\w+-]+:", re.ASCII)
NAME_START = re.compile(r"[^\s!-/:-@\[-`{-~]")
MATERIAL = re.compile(r"material/")
PUNCTUATION = re.compile(r"[*_~$:!<>&\\`\[\]-]")
BLOCK_START = re.compile(r"[-+*#>=~|`\d$]")


class OpenBracket:
    """An unmatched `[` or `![`: its index in the text, and in the list of output parts."""

    def __init__(self, start: int, part: int, is_image: bool) -> None:
        self.start, self.part, self.is_image = start, part, is_image
        self.is_active = True


class _Image(NamedTuple):
    """An image written as a link: indices of its brackets in the output, and text without link."""

    opening: int
    closing: int
    note: str


class InlineSanitizer:
    """Single-pass sanitizer for the inline text of one block.

    `links` maps normalized labels to destinations. `allows_blocks` permits a display formula on
    lines of its own. `is_last` marks the last block of the text, which a streamed reply may still
    extend.
    """

    def __init__(
        self,
        text: str,
        links: dict[str, str],
        *,
        allows_blocks: bool = False,
        is_last: bool = False,
    ) -> None:
        self._text, self._links = text, links
        self._allows_blocks, self._is_last = allows_blocks, is_last
        self._out: list[str] = []
        self._brackets: list[OpenBracket] = []
        self._images: list[_Image] = []
        self._last_link = -1
        self._backtick_runs: dict[int, list[int]] | None = None  # start indices by length
        self._last_index: dict[str, int] = {}
        self._handlers: dict[str, Callable[[str, int, int], int]] = {
            "arrow": self._arrow,
            "colon": self._colon,
            "tilde": self._tilde,
            "escape": self._escape,
            "code": self._code,
            "less": self._less,
            "url": self._url,
            "open": self._open,
            "close": self._close,
            "dollar": self._dollar,
        }

    def sanitize(self) -> str:
        """Return the text; line breaks are SOURCE_BREAK, ADDED_BREAK or JOINED_BREAK."""
        start = 0
        while found := TOKEN.search(self._text, start):
            self._out.append(self._text[start : found.start()])
            handler = self._handlers[found.lastgroup or ""]
            start = handler(found[0], found.start(), found.end())
        self._out.append(self._text[start:])
        return "".join(self._out)

    # Each handler appends the output for one token and returns the index after what it consumed.

    def _arrow(self, token: str, start: int, end: int) -> int:
        self._out.append(TEXT_BREAK.join(ARROW_PART.findall(token)))
        return end

    def _colon(self, token: str, start: int, end: int) -> int:
        if WORD_AFTER.match(self._text, end):
            self._out.append("\\:" + TEXT_BREAK)
        elif MATERIAL.match(self._text, end):
            self._out.append("\\:material\\/")
            return end + len("material/")
        elif self._text[start - 1 : start] == "]":  # else the frontend may parse a definition
            self._out.append("\\:")
        elif token == ":" and not NAME_START.match(self._text, end):
            self._out.append("\\:" if self._text.startswith(":", end) else ":")
        else:
            self._out.append("\\:")
        return end

    def _tilde(self, token: str, start: int, end: int) -> int:
        """Escape a single tilde; "3~5 and 7~9" would be rendered as strikethrough."""
        self._out.append("\\~")
        return end

    def _escape(self, token: str, start: int, end: int) -> int:
        if token in ("\\(", "\\["):
            return self._latex(token, start, end)
        self._out.append(token)
        return end

    def _code(self, token: str, start: int, end: int) -> int:
        if self._backtick_runs is None:
            self._backtick_runs = {}
            for run in re.finditer("`+", self._text):
                self._backtick_runs.setdefault(len(run[0]), []).append(run.start())
            for starts in self._backtick_runs.values():
                starts.reverse()
        starts = self._backtick_runs.get(len(token), [])
        while starts and starts[-1] < end:
            starts.pop()
        close = starts.pop() + len(token) if starts else end
        self._out.append(self._text[start:close])
        return close

    def _less(self, token: str, start: int, end: int) -> int:
        if found := AUTOLINK.match(self._text, start):
            if not is_allowed(found[0]):
                self._out.append("\\<")
                return end
            self._out.append(_autolink(found[0][1:-1]))
            return found.end()
        if found := HTML_TAG.match(self._text, start):
            self._out.append(found[0])
            return found.end()
        for opener, closer in RAW_DELIMITERS:
            is_open = self._text.startswith(opener, start)
            if is_open and not self._text.startswith(EMPTY_COMMENTS, start):
                close = self._find(closer, start + len(opener))
                if close >= 0:
                    self._out.append(self._text[start : close + len(closer)])
                    return close + len(closer)
        self._out.append("<")
        return end

    def _url(self, token: str, start: int, end: int) -> int:
        url = match_url(self._text, start)
        # The brackets may become a link, so the URL stays text; the frontend still links it.
        self._out.append(PUNCTUATION.sub(r"\\\g<0>", url) if self._brackets else _autolink(url))
        return start + len(url)

    def _open(self, token: str, start: int, end: int) -> int:
        if (
            token == "["
            and (note := FOOTNOTE.match(self._text, end))
            and normalize_label(note[0][:-1]) in self._links
        ):
            self._out.append("[" + note[0])
            return note.end()
        # Escape further exclamation marks: they could turn the resulting link into an image.
        self._out.append("\\!" * (len(token) - 2))
        self._brackets.append(OpenBracket(end - len(token[-2:]), len(self._out), token[0] == "!"))
        self._out.append("\\![" if token[0] == "!" else "[")
        return end

    def _close(self, token: str, start: int, end: int) -> int:
        bracket = self._brackets.pop() if self._brackets else None
        self._out.append("]")
        if bracket is None or not bracket.is_active:
            return end
        if found := parse_target(self._text, end):
            target, close = found
            written = self._text[end:close]
        elif self._is_last and INCOMPLETE_TARGET.match(self._text, end):
            # The frontend completes an incomplete link while a reply is streamed.
            self._out[bracket.part] = "["
            self._out.append(self._text[end:])
            return len(self._text)
        else:
            name, close = self._label(bracket, start, end)
            if not name or normalize_label(name) not in self._links:
                return end
            target, written = self._links[normalize_label(name)], f"[{name}]"
        target = re.sub(r"^<(.*)>$", r"\1", target)
        if bracket.is_image:
            self._end_image(bracket, target, written, start)
        elif not is_allowed(target):
            self._out[bracket.part], self._out[-1] = "\\[", "\\]"
            return end
        else:
            self._unlink_images(bracket.part)
            if note := host_note(self._text[bracket.start + 1 : start], target):
                self._out[-1] = f" ({_escape_host(note)})]"
            self._out.append(written)
            for other in self._brackets:
                if not other.is_image:
                    other.is_active = False
            self._last_link = len(self._out)
        return close

    def _label(self, bracket: OpenBracket, start: int, end: int) -> tuple[str, int]:
        """Return the label after a closing bracket, else the bracketed text, and the end index."""
        label = LABEL.match(self._text, end)
        if label is not None and label[1]:
            return label[1], label.end()
        text_start = bracket.start + 1 + bracket.is_image
        name = self._text[text_start:start] if start - bracket.start < 1001 else ""
        return name, label.end() if label is not None else end

    def _end_image(self, bracket: OpenBracket, target: str, written: str, start: int) -> None:
        """Turn an image into a link with its text and host, so that the browser fetches nothing."""
        self._unlink_images(bracket.part)
        host = _escape_host(host_of(target))
        has_text = start > bracket.start + 2
        note = (f" ({host})" if has_text else host) if host else ""
        scheme = target.partition(":")[0].casefold() if ":" in target else "https"
        closed = len(self._out) - 1
        if (
            self._last_link > bracket.part
            or scheme not in {"http", "https"}
            or not (host or has_text)
        ):
            self._out[bracket.part], self._out[closed] = "", note
            return
        self._out[bracket.part], self._out[closed] = "[", f"{note}]"
        self._out.append(written)
        self._images.append(_Image(bracket.part, closed, note))

    def _unlink_images(self, after: int) -> None:
        """Replace images inside of a link with their text, because links cannot be nested."""
        while self._images and self._images[-1].opening > after:
            image = self._images.pop()
            self._out[image.opening], self._out[image.closing] = "", image.note
            self._out[image.closing + 1] = ""

    def _find(self, delimiter: str, start: int) -> int:
        """Return the next index of `delimiter`, or -1 in constant time if there is none."""
        if delimiter not in self._last_index:
            self._last_index[delimiter] = self._text.rfind(delimiter)
        return self._text.find(delimiter, start) if start <= self._last_index[delimiter] else -1

    def _dollar(self, token: str, start: int, end: int) -> int:
        if len(token) == 2:
            close = self._find("$$", end)
            body = self._text[end:close] if close >= 0 else ""
            if body.strip() and self._text[close + 2 : close + 3] != "$" and is_math(body):
                return self._display(body, start, close + 2)
        elif len(token) == 1:
            close = self._find("$", end)
            while close > 0 and self._text[close - 1] == "\\":
                close = self._find("$", close + 1)
            body = self._text[end:close] if close >= 0 else ""
            if body and is_formula(self._text, body, start, close):
                fence = "$$" if "$" in body else "$"
                self._out.append(f"{fence}{body.replace(SOURCE_BREAK, JOINED_BREAK)}{fence}")
                return close + 1
        self._out.append("\\$" * len(token))
        return end

    def _latex(self, token: str, start: int, end: int) -> int:
        """Handle `\\( … \\)` and `\\[ … \\]`."""
        delimiter = "\\)" if token == "\\(" else "\\]"
        close = self._find(delimiter, end)
        body = self._text[end:close] if close >= 0 else ""
        if body.strip() and is_math(body) and "$$" not in body and "\\(" not in body:
            if token == "\\(":
                fence = "$$" if "$" in body else "$"
                self._out.append(
                    f"{fence}{body.strip(' ').replace(SOURCE_BREAK, JOINED_BREAK)}{fence}"
                )
                return close + 2
            starts_line = not self._text[self._text.rfind("\n", 0, start) + 1 : start].strip()
            is_formula_like = starts_line or body[0].isspace() or FORMULA.search(body)
            if is_formula_like and self._text[close + 2 : close + 3] not in ("(", "[", ":"):
                return self._display(body, start, close + 2, is_latex=True)
        self._out.append(token)
        return end

    def _display(self, body: str, start: int, close: int, is_latex: bool = False) -> int:
        """Write a display formula on lines of its own where the block allows it."""
        line_start = self._text.rfind("\n", 0, start) + 1
        line_end = self._text.find("\n", close)
        after = self._text[close : line_end if line_end >= 0 else len(self._text)]
        starts_line = not self._text[line_start:start].strip()
        ends_line = re.fullmatch(r"([.,;:]?)\s*", after)
        body = body.strip().replace(SOURCE_BREAK, JOINED_BREAK)
        if (
            not self._allows_blocks
            or self._brackets
            or not (is_latex or (starts_line and ends_line))
        ):
            self._out.append(f"$${body}$$")
            return close
        if not ends_line and BLOCK_START.match(after.strip()):
            self._out.append(f"$${body}$$")
            return close
        if ends_line:
            body += ends_line[1]
            close += len(after)
        self._out.append(
            f"{'' if starts_line else ADDED_BREAK}$${ADDED_BREAK}{body}{ADDED_BREAK}$$"
        )
        if not ends_line:
            self._out.append(ADDED_BREAK)
            close = skip_blanks(self._text, close)
        return close


def _autolink(url: str) -> str:
    """Return a link with its URL as text."""
    host = host_of(url)
    note = f" ({_escape_host(host)})" if not _shows_host(url, host) else ""
    if not WORD_INSIDE.search(url) and not note:
        return f"<{url}>"
    shown = PUNCTUATION.sub(r"\\\g<0>", url).replace("\\:", "\\:" + TEXT_BREAK)
    return f"[{shown}{note}](<{url}>)"


def _shows_host(url: str, host: str) -> bool:
    """Return whether a URL starts with its actual host."""
    return (
        re.match(rf"(?:https?:/*)?{re.escape(host)}(?![\w.@-])(?!:[^/]*@)", url, re.I) is not None
    )


def _escape_host(host: str) -> str:
    return re.sub(r"[_:?]", r"\\\g<0>", host)
