"""Text of models and people, as it must be written so that st.markdown shows what they wrote.

`safe` keeps Markdown, code and formulas, and makes text of Streamlit's directives, of money and of
shortcodes; remote images become links. `line` makes text of everything. This module must know the
frontend's dialect and nothing else: no Streamlit, no conversation, no settings.
"""

import re
from html import unescape
from unicodedata import category
from urllib.parse import urlsplit

from pages.parts.blocks import HTML_TAG, NO_FORMULA, QUOTE, Line, Outline

# Emoji shortcodes, icons and arrows are replaced in the parsed text, where an escape is long gone.
# An empty directive between two characters parts the text node: nothing to see, nothing to copy.
SPLIT = ":small[]"

# Line breaks in the result of `Inline`: the text's own, a new one, and one that became a space.
OWN, NEW, JOINED = "\n", "\r", "\0"

WORD = r"(?=(?:[\w+-]++|\\[_+-]|&#?\w+;)++(?:\\?:|&colon;|&#0*58;|&#x0*3a;))"
EDGE = r"\s*_~()`:;|\[\]"  # what may stand beside an arrow; a letter keeps the frontend off
DASH, EQUALS, LESS, MORE = r"\\?-", r"\\?=", r"(?:\\?<|&lt;)", r"(?:\\?>|&gt;)"
ARROW = (
    rf"(?<![^{EDGE}])(?:{LESS}{DASH}{MORE}|{DASH}{MORE}|{LESS}{DASH}|{DASH}{DASH}|"
    rf"{MORE}{EQUALS}|{LESS}{EQUALS}|\\?~{EQUALS})(?![^{EDGE}])"
)
TOKEN = re.compile(
    rf"(?P<arrow>{ARROW})|(?P<colon>\\?:|&colon;|&#0*58;|&#x0*3a;)|(?P<escape>\\[!-/:-@\[-`{{-~])|"
    r"(?P<code>`+)|(?P<dollar>\$+)|(?P<open>!?\[)|(?P<close>\])|(?P<less><)|"
    r"(?P<url>(?<![A-Za-z0-9])https?://(?=[^\W_]))",
    re.IGNORECASE,
)
ARROW_PART = re.compile(rf"{LESS}|{MORE}|{DASH}|{EQUALS}|\\?~", re.IGNORECASE)
WORD_AFTER = re.compile(WORD, re.ASCII | re.IGNORECASE)
WORD_INSIDE = re.compile(r":[\w+-]+:", re.ASCII)
LITERAL = re.compile(
    r"[!-/:-@\[-`{-~](?:(?<=:)(?=[\w/+-])()|(?<=@)(?=\w)()|(?<=[<>=~-])(?=[>=-])())?"
)
PARTED = "\0"
WWW = re.compile(r"(?<![A-Za-z])(www)(?=\.)", re.IGNORECASE)
JOINERS = "\u200c\u200d"  # Persian, Indic letters and emoji made of several need them
NAME_START = re.compile(r"[^\s!-/:-@\[-`{-~]")
MATERIAL = re.compile(r"material/")
NEEDS_CARE = re.compile(r"[$:]|!\[|\\[(\[]|--|->|<-|[<>~]=|&[lg]t;")

RAW = (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"))
EMPTY_COMMENTS = ("<!-->", "<!--->")
AUTOLINK = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>\x00-\x1f]*>|<[\w.+-]+@[\w.-]+>")
SCRIPT = re.compile(r"(?:javascript|vbscript|data):", re.IGNORECASE)
URL = re.compile(r"https?://[^\s<>\[\]`\"\\|，。；：！？、（）「」『』【】《》]+", re.IGNORECASE)
PUNCTUATION = re.compile(r"[*_~$:!<>&\\`\[\]-]")
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

PRICE = re.compile(r"[\d.,]+\s?(?:[^\W\d_]{2,}|\D.*[^\W\d_]{2,}|[^\s\d]*[-–—/,;:(+&]$)", re.DOTALL)
FORMULA = re.compile(r"[\\^_{}=]")
VARIABLE = re.compile(r".*[/:,;.\"'(\[|&-]$", re.DOTALL)
NEXT_BLOCK = re.compile(r"[-+*#>=~|`\d$]")


def safe(text: str) -> str:
    """Markdown for st.markdown that shows `text` as its writer meant it. Linear in its length."""
    if not NEEDS_CARE.search(text) and not text[:1].isspace():
        return text
    text = re.sub(r"\r\n?", "\n", text).replace("\0", "\N{REPLACEMENT CHARACTER}")
    lines = text.split("\n")
    outline = _outline(lines)
    links = _definitions(lines, outline)
    written: list[str] = []
    first = 0
    while first < len(lines):
        last = _block_end(outline, first)
        written += _block(lines[first:last], outline[first:last], links, last == len(lines))
        first = last
    # st.markdown dedents and strips: an indented first line needs a line before it.
    start = next((at for at, read in enumerate(outline) if read.kind != "blank"), 0)
    guard = "[_]: #\n\n" if outline[start].kind == "code" and lines[start][:1] in " \t" else ""
    return guard + "\n".join(written)


def line(text: str) -> str:
    """One line of plain text for a place that reads Markdown: a title, a model's or file's name."""
    text = re.sub(r"[\s\u2028\u2029]+", " ", text).strip()
    text = "".join(c for c in text if c in JOINERS or category(c) not in {"Cc", "Cf", "Cs"})
    return LITERAL.sub(_literal, WWW.sub(rf"\1{PARTED}", text)).replace(PARTED, SPLIT)


def _literal(found: re.Match[str]) -> str:
    """A punctuation character escaped; parted from the next where the two would be replaced."""
    return f"\\{found[0]}" + (PARTED if found.lastindex else "")


def _outline(lines: list[str]) -> list[Line]:
    """What each line is."""
    outline = Outline()
    read: list[Line] = []
    for text in lines:
        now = outline.feed(text)
        if redone := outline.redone:
            read[len(read) - len(redone) :] = redone
        read.append(now)
    outline.finish()
    if redone := outline.redone:
        read[len(read) - len(redone) :] = redone
    return read


def _definitions(lines: list[str], outline: list[Line]) -> dict[str, str]:
    """The destination of each link reference; their lines are marked as nothing to change."""
    found: dict[str, str] = {}
    before = None
    for number, (text, read) in enumerate(zip(lines, outline, strict=True)):
        starts = read.kind == "text" and read.block != before
        if starts and (definition := DEFINITION.match(text, read.at)):
            found.setdefault(_label(definition[1]), definition[2])
            outline[number] = read._replace(kind="definition", block=-1)
            continue
        before = read.block
    for text in lines:
        if note := re.match(r"[ >]*\[(\^[^\s\[\]]{1,999})\]:", text):
            found.setdefault(_label(note[1]), "")
    return found


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()


def _block_end(outline: list[Line], first: int) -> int:
    last = first + 1
    while (
        outline[first].kind in {"text", "math"}
        and last < len(outline)
        and outline[last].block == outline[first].block
        and outline[last].kind in {outline[first].kind, "row"}
    ):
        last += 1
    return last


def _block(
    lines: list[str], outline: list[Line], links: dict[str, str], is_last: bool
) -> list[str]:
    """The lines of one block, written."""
    kind = outline[0].kind
    if kind == "math":
        return _formula(lines, outline)
    if kind not in {"text", "heading"}:
        return lines
    rows = [number for number, read in enumerate(outline) if read.kind == "row"]
    text_end = rows[0] - 1 if rows else len(lines)
    written: list[str] = []
    if text_end:
        content = "\n".join(
            text[at.at :] for text, at in zip(lines[:text_end], outline, strict=False)
        )
        inline = Inline(content, links, has_lines=kind == "text", is_end=is_last and not rows)
        written = _put_back(inline.write(), lines, outline)
    for number in range(text_end, len(lines)):
        text, at = lines[number], outline[number].at
        if rows and number != rows[0]:
            parts = re.split(r"((?<!\\)\|)", text[at:])
            parts[::2] = [Inline(cell, links).write() for cell in parts[::2]]
            text = text[:at] + "".join(parts).replace(JOINED, " ")
        written.append(text)
    return written


def _put_back(content: str, lines: list[str], outline: list[Line]) -> list[str]:
    """Inline text as lines again, each after the marks of the containers it stands in."""
    number = 0
    written = [lines[0][: outline[0].at]]
    for part in re.split(f"([{OWN}{NEW}{JOINED}])", content):
        if part == NEW:
            written += ["\n", _margin(outline[number])]
        elif part in (OWN, JOINED):
            number += 1
            written.append(" " if part == JOINED else "\n" + lines[number][: outline[number].at])
        else:
            written.append(part)
    return ["".join(written)]


def _margin(read: Line) -> str:
    """What a new line inside these containers starts with."""
    return "".join("> " if kind == QUOTE else " " * width for kind, width in read.inside)


def _formula(lines: list[str], outline: list[Line]) -> list[str]:
    """A display formula of several lines between fences of its own."""
    margin = _margin(outline[0])
    opening = lines[0][outline[0].at + 2 :].strip()
    mark = "$$" if lines[0][outline[0].at] == "$" else "\\]"
    body, _, after = lines[-1][outline[-1].at :].partition(mark)
    written = [lines[0][: outline[0].at] + "$$"]
    written += [margin + opening] if opening else []
    written += lines[1:-1]
    if stop := re.match(r"[.,;:]\s*$", after):
        body, after = body + stop[0].strip(), ""
    written += [margin + body.strip()] if body.strip() else []
    written.append(margin + "$$")
    if after.strip():
        written.append(margin + Inline(after.strip(), {}).write().replace(JOINED, " "))
    return written


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
        self.text, self.links, self.has_lines, self.is_end = text, links, has_lines, is_end
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
        elif token == ":" and not NAME_START.match(self.text, end):
            self.out.append("\\:" if self.text.startswith(":", end) else ":")
        else:
            self.out.append("\\:")
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
            if SCRIPT.match(found[0], 1):
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
        found = URL.match(self.text, at)
        assert found is not None
        url = found[0].rstrip("?!.,:*_~';")
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1].rstrip("?!.,:*_~';")
        # In brackets, that may turn out to be a link, it stays text; the frontend still links it.
        self.out.append(PUNCTUATION.sub(r"\\\g<0>", url) if self.marks else _autolink(url))
        return at + len(url)

    def _open(self, token: str, at: int, end: int) -> int:
        if (
            token == "["
            and (note := FOOTNOTE.match(self.text, end))
            and _label(note[0][:-1]) in self.links
        ):
            self.out.append("[" + note[0])
            return note.end()
        self.marks.append(Mark(at, len(self.out), token[0] == "!"))
        self.out.append("\\![" if token[0] == "!" else "[")
        return end

    def _close(self, token: str, at: int, end: int) -> int:
        mark = self.marks.pop() if self.marks else None
        self.out.append("]")
        if mark is None or not mark.is_active:
            return end
        if found := self._resource(end):
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
            if not name or _label(name) not in self.links:
                return end
            target, written = self.links[_label(name)], f"[{name}]"
        target = re.sub(r"^<(.*)>$", r"\1", target)
        if mark.is_image:
            self._end_image(mark, target, written, at)
        elif SCRIPT.match(unescape(target).strip()):
            self.out[mark.written], self.out[-1] = "\\[", "\\]"
            return end
        else:
            self._plain_images(mark.written)
            self.out.append(written)
            for other in self.marks:
                if not other.is_image:
                    other.is_active = False
            self.last_link = len(self.out)
        return stop

    def _end_image(self, mark: Mark, target: str, written: str, at: int) -> None:
        """An image becomes a link: its text and its host. Nothing of it is fetched."""
        self._plain_images(mark.written)
        try:
            host = urlsplit(unescape(target)).hostname or ""
        except ValueError:
            host = ""
        host = re.sub(r"[^\w.-]", "", host).replace("_", "\\_")
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

    def _resource(self, at: int) -> tuple[str, int] | None:
        """The destination and the end of `(destination "title")`."""
        text = self.text
        if not text.startswith("(", at):
            return None
        at = start = _skip(text, at + 1)
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
        at = _skip(text, at)
        if at > before and (title := TITLE.match(text, at)):
            at = _skip(text, title.end())
        return (target, at + 1) if text.startswith(")", at) else None

    def _find(self, mark: str, at: int) -> int:
        """Where `mark` comes next, or -1; asking in vain again and again costs nothing."""
        if mark not in self._last:
            self._last[mark] = self.text.rfind(mark)
        return self.text.find(mark, at) if at <= self._last[mark] else -1

    def _dollar(self, token: str, at: int, end: int) -> int:
        if len(token) == 2:
            stop = self._find("$$", end)
            body = self.text[end:stop] if stop >= 0 else ""
            if body.strip() and self.text[stop + 2 : stop + 3] != "$" and _is_math(body):
                return self._display(body, at, stop + 2)
        elif len(token) == 1:
            stop = self._find("$", end)
            while stop > 0 and self.text[stop - 1] == "\\":
                stop = self._find("$", stop + 1)
            body = self.text[end:stop] if stop >= 0 else ""
            if body and self._is_formula(body, at, stop):
                mark = "$$" if "$" in body else "$"
                self.out.append(f"{mark}{body.replace(OWN, JOINED)}{mark}")
                return stop + 1
        self.out.append("\\$" * len(token))
        return end

    def _is_formula(self, body: str, at: int, stop: int) -> bool:
        """Whether `$body$` is a formula: pandoc's rule, and it does not read as money."""
        before, after = self.text[at - 1 : at], self.text[stop + 1 : stop + 2]
        if body[0].isspace() or body[-1].isspace() or after in ("$", "{") or after.isdigit():
            return False
        if before.isalnum() and body[0].isdigit():
            return False
        if after.isalpha() and VARIABLE.match(body):
            return False
        return _is_math(body) and (bool(FORMULA.search(body)) or not PRICE.match(body))

    def _latex(self, token: str, at: int, end: int) -> int:
        """`\\( … \\)` and `\\[ … \\]`."""
        mark = "\\)" if token == "\\(" else "\\]"
        stop = self._find(mark, end)
        body = self.text[end:stop] if stop >= 0 else ""
        if body.strip() and _is_math(body) and "$$" not in body and "\\(" not in body:
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
            stop = _skip(self.text, stop)
        return stop


def _autolink(url: str) -> str:
    """A link that shows its own address."""
    if not WORD_INSIDE.search(url):
        return f"<{url}>"
    shown = PUNCTUATION.sub(r"\\\g<0>", url).replace("\\:", "\\:" + SPLIT)
    return f"[{shown}](<{url}>)"


def _is_math(body: str) -> bool:
    """Whether nothing in it would mean something else, should the frontend see no formula here."""
    return not NO_FORMULA.search(body) and "$" not in (body[0], body[-1])


def _skip(text: str, at: int) -> int:
    return BLANKS.match(text, at).end()  # type: ignore[union-attr]
