"""Text of models and people, as it must be written so that st.markdown shows what they wrote.

`safe` keeps Markdown, code and formulas, and makes text of Streamlit's directives, of money and of
shortcodes; remote images become links. `line` makes text of everything. This module must know the
frontend's dialect and nothing else: no Streamlit, no conversation, no settings.
"""

import re
from unicodedata import category

from pages.markdown.block_structure import BAR, FENCE, QUOTE, Line, Outline
from pages.markdown.diagrams import is_diagram, is_harmless
from pages.markdown.inline import JOINED, NEW, OWN, SPLIT, Inline
from pages.markdown.links import DEFINITION, is_allowed, reference

LITERAL = re.compile(
    r"[!-/:-@\[-`{-~](?:(?<=:)(?=[\w/+-])()|(?<=@)(?=\w)()|(?<=[<>=~-])(?=[>=-])())?"
)
PARTED = "\0"
# Right after a definition: its title, or what is no underline and not all read as text.
TO_DEFINITION = re.compile(r"[\"'(]|(?:=+|-+)[ \t]*$")
TABLE_RULE = re.compile(r"^[ |:-]*-{3,}[ |:-]*$", re.MULTILINE)
WWW = re.compile(r"(?<![A-Za-z])(www)(?=\.)", re.IGNORECASE)
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")  # would turn around what stands behind it
BOM = "\ufeff"
JOINERS = "\u200c\u200d"  # Persian, Indic letters and emoji made of several need them
NEEDS_CARE = re.compile(
    r"[$:]|!\[|\]\(|\\[(\[]|--|->|<-|[<>~]=|&(?:[lg]t|colon);|&#|(?<!~)~(?!~)|mermaid",
    re.IGNORECASE,
)


def typed(block: str) -> str:
    """A block of Markdown as somebody typed it: every line end is one that is seen."""
    if "```" in block or "~~~" in block or block[:1] in " \t" or TABLE_RULE.search(block):
        return block
    return re.sub(r"(?<=\S)\n(?=\S)", "  \n", block)


def safe(text: str) -> str:
    """Markdown for st.markdown that shows `text` as its writer meant it. Linear in its length."""
    # Before the lines are read, or one would hide a fence; and code too should look as it runs.
    text = DIRECTION.sub("", text)
    text = text.lstrip(BOM)  # the frontend strips one too, but of what we give it
    if not NEEDS_CARE.search(text) and not text[:1].isspace():
        return text
    text = re.sub(r"\r\n?", "\n", text).replace("\0", "\N{REPLACEMENT CHARACTER}")
    lines = text.split("\n")
    outline = _outline(lines)
    links = _definitions(lines, outline)
    written: list[str] = []
    first = 0
    while first < len(lines):
        last = _block_end(lines, outline, first)
        written += _block(lines[first:last], outline[first:last], links, last == len(lines))
        first = last
    # st.markdown dedents and strips, which would make text of code: a line before it prevents that.
    guard = "[_]: #\n\n" if text[:1].isspace() else ""
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
    before = defining = None
    for number, text in enumerate(lines):
        read = outline[number]
        starts = read.kind == "text" and read.block != before
        after = outline[number + 1 : number + 2]
        is_head = any(each.kind == "row" and each.block == read.block for each in after)
        definition = DEFINITION.match(text, read.at) if starts and not is_head else None
        if definition and is_allowed(definition[2]):
            found.setdefault(reference(definition[1]), definition[2])
            outline[number] = read._replace(kind="definition", block=-1)
            defining = read.block
            continue
        if starts and read.block == defining and TO_DEFINITION.match(text, read.at):
            lines[number] = f"{text[: read.at]}&#{ord(text[read.at])};{text[read.at + 1 :]}"
        before = read.block
    for text in lines:
        if note := re.match(r"[ >]*\[(\^[^\s\[\]]{1,999})\]:", text):
            found.setdefault(reference(note[1]), "")
    return found


def _block_end(lines: list[str], outline: list[Line], first: int) -> int:
    last = first + 1
    if outline[first].kind == "indented":
        return _indented_end(lines, outline, first)
    while (
        outline[first].kind in {"text", "math", "code"}
        and last < len(outline)
        and outline[last].block == outline[first].block
        and outline[last].kind in {outline[first].kind, "row"}
    ):
        last += 1
    return last


def _indented_end(lines: list[str], outline: list[Line], first: int) -> int:
    """Where indented code ends: blank lines within are part of it."""
    last = at = first + 1
    while at < len(outline) and outline[at].inside == outline[first].inside:
        if outline[at].kind == "indented" and not _has_marker(lines[at][: outline[at].at]):
            last = at + 1
        elif outline[at].kind != "blank":
            break
        at += 1
    return last


def _block(
    lines: list[str], outline: list[Line], links: dict[str, str], is_last: bool
) -> list[str]:
    """The lines of one block, written."""
    kind = outline[0].kind
    if kind == "math":
        return _formula(lines, outline)
    if kind == "code":
        return _code(lines, outline)
    if kind == "indented":
        return _indented(lines, outline)
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
            parts = [Inline(cell, links).write() for cell in _cells(text[at:])]
            text = text[:at] + "|".join(parts).replace(JOINED, " ")
        written.append(text)
    return written


def _cells(row: str) -> list[str]:
    """What stands between the bars of a table's row that are not escaped."""
    bars = [found.start() for found in BAR.finditer(row) if found[0] == "|"]
    starts = [0, *(bar + 1 for bar in bars)]
    return [row[at:stop] for at, stop in zip(starts, [*bars, len(row)], strict=True)]


def _code(lines: list[str], outline: list[Line]) -> list[str]:
    """Code as it is, and a diagram too, unless drawing it would make the browser ask somebody."""
    at = outline[0].at
    fence = FENCE.match(lines[0], at)
    if fence is None or not is_diagram(lines[0][fence.start() + len(fence[1] or fence[2]) :]):
        return lines
    source = (text[read.at :] for text, read in zip(lines[1:], outline[1:], strict=True))
    if is_harmless("\n".join(source)):
        return lines
    return [lines[0][:at] + (fence[1] or fence[2]) + "text", *lines[1:]]


def _indented(lines: list[str], outline: list[Line]) -> list[str]:
    """Indented code between fences.

    Whether an indented line is code depends on what stands before it. Fences say what was read, so
    that nothing passes as code that the frontend would take for text.
    """
    margin = _margin(outline[0])
    before = lines[0][: outline[0].at]
    longest = max(map(len, re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(longest + 1, 3)
    written = [(before.rstrip(" \t") + " " if _has_marker(before) else margin) + fence]
    for text, read in zip(lines, outline, strict=True):
        written.append(margin + " " * read.spare + text[read.at :])
    return [*written, margin + fence]


def _has_marker(before: str) -> bool:
    """Whether an item or a footnote begins before the content of a line."""
    return bool(before.strip(" \t>"))


def _put_back(content: str, lines: list[str], outline: list[Line]) -> list[str]:
    """Inline text as lines again, each after the marks of the containers it stands in."""
    number = 0
    written = [lines[0][: outline[0].at]]
    for part in re.split(f"([{OWN}{NEW}{JOINED}])", content):
        if part == NEW:
            written += ["\n", _margin(outline[number])]
        elif part in (OWN, JOINED):
            number += 1
            read = outline[number]
            before = lines[number][: read.at]
            if lines[number].startswith("<", read.at):
                # A tag alone would end a paragraph that goes on without its container's mark.
                before = _margin(read)
            written.append(" " if part == JOINED else "\n" + before)
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
