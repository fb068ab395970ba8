"""The inline text of one block, written so that the frontend shows what its writer meant.

`Inline` reads it once from left to right: code and formulas stay, directives, shortcodes, arrows
and money become text, images become links. This module must not know how lines become blocks,
which containers the text stands in, or Streamlit.
"""

import re

from pages.markdown.formulas import FORMULA, is_formula, is_math
from pages.markdown.html_tags import EMPTY_COMMENTS, HTML_TAG, RAW
from pages.markdown.links import (
    AUTOLINK,
    FOOTNOTE,
    HALF_OPEN,
    LABEL,
    address,
    host_of,
    is_allowed,
    note_on,
    reference,
    resource,
    skip,
)

# Emoji shortcodes, icons and arrows are replaced in the parsed text, where an escape is long gone.
# An empty directive between two characters parts the text node: nothing to see, nothing to copy.
SPLIT = ":small[]"

# Line breaks in the result of `Inline`: the text's own, a new one, and one that became a space.
OWN, NEW, JOINED = "\n", "\r", "\0"

COLON = r"(?:\\?:|&colon;|&#0*58;|&#x0*3a;)"
# A colon's reference ends a word: taken for a part of it, each would be looked at from each before.
WORD = rf"(?=(?:[\w+-]++|\\[_+-]|(?!{COLON})&#?\w+;)++{COLON})"
EDGE = r"\s*_~()`:;|\[\]"  # what may stand beside an arrow; a letter keeps the frontend off
DASH, EQUALS, LESS, MORE = r"\\?-", r"\\?=", r"(?:\\?<|&lt;)", r"(?:\\?>|&gt;)"
ARROW = (
    rf"(?<![^{EDGE}])(?:{LESS}{DASH}{MORE}|{DASH}{MORE}|{LESS}{DASH}|{DASH}{DASH}|"
    rf"{MORE}{EQUALS}|{LESS}{EQUALS}|\\?~{EQUALS})(?![^{EDGE}])"
)
TOKEN = re.compile(
    rf"(?P<arrow>{ARROW})|(?P<colon>{COLON})|(?P<escape>\\[!-/:-@\[-`{{-~])|"
    r"(?P<tilde>(?<![~/])~(?![~=]))|"
    r"(?P<code>`+)|(?P<dollar>\$+)|(?P<open>!*\[)|(?P<close>\])|(?P<less><)|"
    r"(?P<url>(?<![A-Za-z0-9])https?://(?=[^\W_]))",
    re.IGNORECASE,
)
ARROW_PART = re.compile(rf"{LESS}|{MORE}|{DASH}|{EQUALS}|\\?~", re.IGNORECASE)
WORD_AFTER = re.compile(WORD, re.ASCII | re.IGNORECASE)
WORD_INSIDE = re.compile(r":[\w+-]+:", re.ASCII)
NAME_START = re.compile(r"[^\s!-/:-@\[-`{-~]")
MATERIAL = re.compile(r"material/")
PUNCTUATION = re.compile(r"[*_~$:!<>&\\`\[\]-]")
NEXT_BLOCK = re.compile(r"[-+*#>=~|`\d$]")


class Mark:
    """An open bracket: where it stands in the text and in what is written."""

    def __init__(self, at: int, written: int, is_image: bool) -> None:
        self.at, self.written, self.is_image = at, written, is_image
        self.is_active = True


class Inline:
    """The inline text of one block, read once from left to right."""

    def __init__(
        self, text: str, links: dict[str, str], *, has_lines: bool = False, is_end: bool = False
    ) -> None:
        self.text, self.links = text, links
        self.has_lines, self.is_end = has_lines, is_end
        self.out: list[str] = []
        self.marks: list[Mark] = []
        self.images: list[tuple[int, int, str]] = []  # opened, closed, what to write without a link
        self.last_link = -1
        self._runs: dict[int, list[int]] | None = None
        self._last: dict[str, int] = {}

    def write(self) -> str:
        """The text for the frontend; line breaks are OWN, NEW or JOINED."""
        at = 0
        while found := TOKEN.search(self.text, at):
            self.out.append(self.text[at : found.start()])
            at = getattr(self, f"_{found.lastgroup}")(found[0], found.start(), found.end())
        self.out.append(self.text[at:])
        return "".join(self.out)

    # Each of these writes one token and returns where to read on.

    def _arrow(self, token: str, at: int, end: int) -> int:
        self.out.append(SPLIT.join(ARROW_PART.findall(token)))
        return end

    def _colon(self, token: str, at: int, end: int) -> int:
        if WORD_AFTER.match(self.text, end):
            self.out.append("\\:" + SPLIT)
        elif MATERIAL.match(self.text, end):
            self.out.append("\\:material\\/")
            return end + len("material/")
        elif self.text[at - 1 : at] == "]":  # a definition nobody has looked at
            self.out.append("\\:")
        elif token == ":" and not NAME_START.match(self.text, end):
            self.out.append("\\:" if self.text.startswith(":", end) else ":")
        else:
            self.out.append("\\:")
        return end

    def _tilde(self, token: str, at: int, end: int) -> int:
        """One alone: "3~5" is a range, and in a second one would strike out what is between."""
        self.out.append("\\~")
        return end

    def _escape(self, token: str, at: int, end: int) -> int:
        if token in ("\\(", "\\["):
            return self._latex(token, at, end)
        self.out.append(token)
        return end

    def _code(self, token: str, at: int, end: int) -> int:
        if self._runs is None:
            self._runs = {}
            for run in re.finditer("`+", self.text):
                self._runs.setdefault(len(run[0]), []).append(run.start())
            for starts in self._runs.values():
                starts.reverse()
        starts = self._runs.get(len(token), [])
        while starts and starts[-1] < end:
            starts.pop()
        stop = starts.pop() + len(token) if starts else end
        self.out.append(self.text[at:stop])
        return stop

    def _less(self, token: str, at: int, end: int) -> int:
        if found := AUTOLINK.match(self.text, at):
            if not is_allowed(found[0]):
                self.out.append("\\<")
                return end
            self.out.append(_autolink(found[0][1:-1]))
            return found.end()
        if found := HTML_TAG.match(self.text, at):
            self.out.append(found[0])
            return found.end()
        for start, stop in RAW:
            if self.text.startswith(start, at) and not self.text.startswith(EMPTY_COMMENTS, at):
                close = self._find(stop, at + len(start))
                if close >= 0:
                    self.out.append(self.text[at : close + len(stop)])
                    return close + len(stop)
        self.out.append("<")
        return end

    def _url(self, token: str, at: int, end: int) -> int:
        url = address(self.text, at)
        # In brackets, that may turn out to be a link, it stays text; the frontend still links it.
        self.out.append(PUNCTUATION.sub(r"\\\g<0>", url) if self.marks else _autolink(url))
        return at + len(url)

    def _open(self, token: str, at: int, end: int) -> int:
        if (
            token == "["
            and (note := FOOTNOTE.match(self.text, end))
            and reference(note[0][:-1]) in self.links
        ):
            self.out.append("[" + note[0])
            return note.end()
        # None is left to make an image of what becomes a link.
        self.out.append("\\!" * (len(token) - 2))
        self.marks.append(Mark(end - len(token[-2:]), len(self.out), token[0] == "!"))
        self.out.append("\\![" if token[0] == "!" else "[")
        return end

    def _close(self, token: str, at: int, end: int) -> int:
        mark = self.marks.pop() if self.marks else None
        self.out.append("]")
        if mark is None or not mark.is_active:
            return end
        if found := resource(self.text, end):
            target, stop = found
            written = self.text[end:stop]
        elif self.is_end and HALF_OPEN.match(self.text, end):
            # While the reply grows, the frontend itself closes a link that is still half open.
            self.out[mark.written] = "["
            self.out.append(self.text[end:])
            return len(self.text)
        else:
            label = LABEL.match(self.text, end)
            own = self.text[mark.at + 1 + mark.is_image : at] if at - mark.at < 1001 else ""
            name, stop = (label[1], label.end()) if label else ("", end)
            name = name or own
            if not name or reference(name) not in self.links:
                return end
            target, written = self.links[reference(name)], f"[{name}]"
        target = re.sub(r"^<(.*)>$", r"\1", target)
        if mark.is_image:
            self._end_image(mark, target, written, at)
        elif not is_allowed(target):
            self.out[mark.written], self.out[-1] = "\\[", "\\]"
            return end
        else:
            self._plain_images(mark.written)
            if note := note_on(self.text[mark.at + 1 : at], target):
                self.out[-1] = f" ({_plain(note)})]"
            self.out.append(written)
            for other in self.marks:
                if not other.is_image:
                    other.is_active = False
            self.last_link = len(self.out)
        return stop

    def _end_image(self, mark: Mark, target: str, written: str, at: int) -> None:
        """An image becomes a link: its text and its host. Nothing of it is fetched."""
        self._plain_images(mark.written)
        host = _plain(host_of(target))
        has_text = at > mark.at + 2
        note = (f" ({host})" if has_text else host) if host else ""
        scheme = target.partition(":")[0].casefold() if ":" in target else "https"
        closed = len(self.out) - 1
        if (
            self.last_link > mark.written
            or scheme not in {"http", "https"}
            or not (host or has_text)
        ):
            self.out[mark.written], self.out[closed] = "", note
            return
        self.out[mark.written], self.out[closed] = "[", f"{note}]"
        self.out.append(written)
        self.images.append((mark.written, closed, note))

    def _plain_images(self, after: int) -> None:
        """No link stands in a link: what was an image inside becomes its text alone."""
        while self.images and self.images[-1][0] > after:
            opened, closed, note = self.images.pop()
            self.out[opened], self.out[closed], self.out[closed + 1] = "", note, ""

    def _find(self, mark: str, at: int) -> int:
        """Where `mark` comes next, or -1; asking in vain again and again costs nothing."""
        if mark not in self._last:
            self._last[mark] = self.text.rfind(mark)
        return self.text.find(mark, at) if at <= self._last[mark] else -1

    def _dollar(self, token: str, at: int, end: int) -> int:
        if len(token) == 2:
            stop = self._find("$$", end)
            body = self.text[end:stop] if stop >= 0 else ""
            if body.strip() and self.text[stop + 2 : stop + 3] != "$" and is_math(body):
                return self._display(body, at, stop + 2)
        elif len(token) == 1:
            stop = self._find("$", end)
            while stop > 0 and self.text[stop - 1] == "\\":
                stop = self._find("$", stop + 1)
            body = self.text[end:stop] if stop >= 0 else ""
            if body and is_formula(self.text, body, at, stop):
                mark = "$$" if "$" in body else "$"
                self.out.append(f"{mark}{body.replace(OWN, JOINED)}{mark}")
                return stop + 1
        self.out.append("\\$" * len(token))
        return end

    def _latex(self, token: str, at: int, end: int) -> int:
        """`\\( … \\)` and `\\[ … \\]`."""
        mark = "\\)" if token == "\\(" else "\\]"
        stop = self._find(mark, end)
        body = self.text[end:stop] if stop >= 0 else ""
        if body.strip() and is_math(body) and "$$" not in body and "\\(" not in body:
            if token == "\\(":
                fence = "$$" if "$" in body else "$"
                self.out.append(f"{fence}{body.strip(' ').replace(OWN, JOINED)}{fence}")
                return stop + 2
            starts_line = not self.text[self.text.rfind("\n", 0, at) + 1 : at].strip()
            is_meant = starts_line or body[0].isspace() or FORMULA.search(body)
            if is_meant and self.text[stop + 2 : stop + 3] not in ("(", "[", ":"):
                return self._display(body, at, stop + 2, is_latex=True)
        self.out.append(token)
        return end

    def _display(self, body: str, at: int, stop: int, is_latex: bool = False) -> int:
        """A display formula gets lines of its own, where lines can be had."""
        line_start = self.text.rfind("\n", 0, at) + 1
        line_stop = self.text.find("\n", stop)
        after = self.text[stop : line_stop if line_stop >= 0 else len(self.text)]
        starts_line = not self.text[line_start:at].strip()
        ends_line = re.fullmatch(r"([.,;:]?)\s*", after)
        body = body.strip().replace(OWN, JOINED)
        if not self.has_lines or self.marks or not (is_latex or (starts_line and ends_line)):
            self.out.append(f"$${body}$$")
            return stop
        if not ends_line and NEXT_BLOCK.match(after.strip()):
            self.out.append(f"$${body}$$")
            return stop
        if ends_line:
            body += ends_line[1]
            stop += len(after)
        self.out.append(f"{'' if starts_line else NEW}$${NEW}{body}{NEW}$$")
        if not ends_line:
            self.out.append(NEW)
            stop = skip(self.text, stop)
        return stop


def _autolink(url: str) -> str:
    """A link that shows its own address."""
    host = host_of(url)
    note = f" ({_plain(host)})" if not _shows(url, host) else ""
    if not WORD_INSIDE.search(url) and not note:
        return f"<{url}>"
    shown = PUNCTUATION.sub(r"\\\g<0>", url).replace("\\:", "\\:" + SPLIT)
    return f"[{shown}{note}](<{url}>)"


def _shows(url: str, host: str) -> bool:
    """Whether an address begins with the host that it leads to."""
    return (
        re.match(rf"(?:https?:/*)?{re.escape(host)}(?![\w.@-])(?!:[^/]*@)", url, re.I) is not None
    )


def _plain(host: str) -> str:
    return re.sub(r"[_:?]", r"\\\g<0>", host)
