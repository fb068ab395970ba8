"""Escape Markdown from models and users so that st.markdown renders it as they wrote it.

`markdown` keeps Markdown, code and formulas; it escapes Streamlit's directives, shortcodes and the
dollar signs of prices, and turns remote images into links. `plain_text` escapes everything. This
module must know the frontend's Markdown dialect and nothing else: no Streamlit, no conversation, no
settings.
"""

import re
from unicodedata import category

from pages.markdown.block_structure import BAR, FENCE, QUOTE, BlockParser, Line
from pages.markdown.diagrams import is_diagram, is_safe_diagram
from pages.markdown.inline import (
    ADDED_BREAK,
    JOINED_BREAK,
    SOURCE_BREAK,
    TEXT_BREAK,
    InlineSanitizer,
)
from pages.markdown.links import DEFINITION, is_allowed, normalize_label

# The empty groups match where two characters would be replaced together, such as "->".
PUNCTUATION = re.compile(
    r"[!-/:-@\[-`{-~](?:(?<=:)(?=[\w/+-])()|(?<=@)(?=\w)()|(?<=[<>=~-])(?=[>=-])())?"
)
BREAK_PLACEHOLDER = "\0"
# A line after a definition that the frontend could parse as its title, or as a heading underline.
CONTINUES_DEFINITION = re.compile(r"[\"'(]|(?:=+|-+)[ \t]*$")
TABLE_RULE = re.compile(r"^[ |:-]*-{3,}[ |:-]*$", re.MULTILINE)
WWW = re.compile(r"(?<![A-Za-z])(www)(?=\.)", re.IGNORECASE)
DIRECTION_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")  # reverses the text that follows
BOM = "\ufeff"
JOINERS = "\u200c\u200d"  # required by Persian, Indic scripts and composed emoji
NEEDS_SANITIZING = re.compile(
    r"[$:]|!\[|\]\(|\\[(\[]|--|->|<-|[<>~]=|&(?:[lg]t|colon);|&#|(?<!~)~(?!~)|mermaid",
    re.IGNORECASE,
)


def hard_line_breaks(block: str) -> str:
    """Return a user's Markdown block with single newlines rendered as line breaks."""
    if "```" in block or "~~~" in block or block[:1] in " \t" or TABLE_RULE.search(block):
        return block
    return re.sub(r"(?<=\S)\n(?=\S)", "  \n", block)


def markdown(text: str) -> str:
    """Return Markdown that st.markdown renders as the author of `text` meant it, in linear time."""
    # First of all, because such a character could hide a fence; and code must look as it runs.
    text = DIRECTION_CONTROL.sub("", text)
    text = text.lstrip(BOM)  # the frontend strips only one, at the start of the whole output
    if not NEEDS_SANITIZING.search(text) and not text[:1].isspace():
        return text
    text = re.sub(r"\r\n?", "\n", text).replace("\0", "\N{REPLACEMENT CHARACTER}")
    lines = text.split("\n")
    parsed = _parse(lines)
    definitions = _take_definitions(lines, parsed)
    written: list[str] = []
    first = 0
    while first < len(lines):
        end = _block_end(lines, parsed, first)
        is_last = end == len(lines)
        written += _sanitize_block(lines[first:end], parsed[first:end], definitions, is_last)
        first = end
    # st.markdown dedents and strips its input, which would turn code into text; a definition in
    # front prevents that.
    guard = "[_]: #\n\n" if text[:1].isspace() else ""
    return guard + "\n".join(written)


def plain_text(text: str) -> str:
    """Return `text` as one escaped line for a Markdown label, such as a title or a file name."""
    text = re.sub(r"[\s\u2028\u2029]+", " ", text).strip()
    text = "".join(c for c in text if c in JOINERS or category(c) not in {"Cc", "Cf", "Cs"})
    text = PUNCTUATION.sub(_escape_punctuation, WWW.sub(rf"\1{BREAK_PLACEHOLDER}", text))
    return text.replace(BREAK_PLACEHOLDER, TEXT_BREAK)


def _escape_punctuation(found: re.Match[str]) -> str:
    return f"\\{found[0]}" + (BREAK_PLACEHOLDER if found.lastindex else "")


def _parse(lines: list[str]) -> list[Line]:
    parser = BlockParser()
    parsed: list[Line] = []
    for text in lines:
        line = parser.feed(text)
        if reclassified := parser.reclassified:
            parsed[len(parsed) - len(reclassified) :] = reclassified
        parsed.append(line)
    parser.finish()
    if reclassified := parser.reclassified:
        parsed[len(parsed) - len(reclassified) :] = reclassified
    return parsed


def _take_definitions(lines: list[str], parsed: list[Line]) -> dict[str, str]:
    """Return the destinations of link references by normalized label.

    Marks the lines of definitions in `parsed` as not to be changed, and escapes in `lines` what the
    frontend could parse as part of a definition.
    """
    found: dict[str, str] = {}
    previous_block = definition_block = None
    for number, text in enumerate(lines):
        line = parsed[number]
        is_first = line.kind == "text" and line.block != previous_block
        following = parsed[number + 1 : number + 2]
        is_header = any(each.kind == "row" and each.block == line.block for each in following)
        definition = DEFINITION.match(text, line.start) if is_first and not is_header else None
        if definition and is_allowed(definition[2]):
            found.setdefault(normalize_label(definition[1]), definition[2])
            parsed[number] = line._replace(kind="definition", block=-1)
            definition_block = line.block
            continue
        is_after_definition = is_first and line.block == definition_block
        if is_after_definition and CONTINUES_DEFINITION.match(text, line.start):
            before, after = text[: line.start], text[line.start + 1 :]
            lines[number] = f"{before}&#{ord(text[line.start])};{after}"
        previous_block = line.block
    for text in lines:
        if note := re.match(r"[ >]*\[(\^[^\s\[\]]{1,999})\]:", text):
            found.setdefault(normalize_label(note[1]), "")
    return found


def _block_end(lines: list[str], parsed: list[Line], first: int) -> int:
    end = first + 1
    if parsed[first].kind == "indented":
        return _indented_end(lines, parsed, first)
    while (
        parsed[first].kind in {"text", "math", "code"}
        and end < len(parsed)
        and parsed[end].block == parsed[first].block
        and parsed[end].kind in {parsed[first].kind, "row"}
    ):
        end += 1
    return end


def _indented_end(lines: list[str], parsed: list[Line], first: int) -> int:
    """Return the end of indented code, including the blank lines inside of it."""
    end = number = first + 1
    while number < len(parsed) and parsed[number].containers == parsed[first].containers:
        line = parsed[number]
        if line.kind == "indented" and not _has_marker(lines[number][: line.start]):
            end = number + 1
        elif line.kind != "blank":
            break
        number += 1
    return end


def _sanitize_block(
    lines: list[str], parsed: list[Line], definitions: dict[str, str], is_last: bool
) -> list[str]:
    kind = parsed[0].kind
    if kind == "math":
        return _fence_formula(lines, parsed)
    if kind == "code":
        return _sanitize_fence(lines, parsed)
    if kind == "indented":
        return _fence_indented(lines, parsed)
    if kind not in {"text", "heading"}:
        return lines
    rows = [number for number, line in enumerate(parsed) if line.kind == "row"]
    text_end = rows[0] - 1 if rows else len(lines)
    written: list[str] = []
    if text_end:
        content = "\n".join(
            text[line.start :] for text, line in zip(lines[:text_end], parsed, strict=False)
        )
        inline = InlineSanitizer(
            content, definitions, allows_blocks=kind == "text", is_last=is_last and not rows
        )
        written = _restore_lines(inline.sanitize(), lines, parsed)
    for number in range(text_end, len(lines)):
        text, start = lines[number], parsed[number].start
        if rows and number != rows[0]:
            cells = [InlineSanitizer(cell, definitions).sanitize() for cell in _cells(text[start:])]
            text = text[:start] + "|".join(cells).replace(JOINED_BREAK, " ")
        written.append(text)
    return written


def _cells(row: str) -> list[str]:
    """Return the parts of a table row between its unescaped bars."""
    bars = [found.start() for found in BAR.finditer(row) if found[0] == "|"]
    starts = [0, *(bar + 1 for bar in bars)]
    return [row[start:end] for start, end in zip(starts, [*bars, len(row)], strict=True)]


def _sanitize_fence(lines: list[str], parsed: list[Line]) -> list[str]:
    """Return fenced code unchanged, except that an unsafe diagram is labelled as text."""
    start = parsed[0].start
    fence = FENCE.match(lines[0], start)
    if fence is None or not is_diagram(lines[0][fence.start() + len(fence[1] or fence[2]) :]):
        return lines
    source = (text[line.start :] for text, line in zip(lines[1:], parsed[1:], strict=True))
    if is_safe_diagram("\n".join(source)):
        return lines
    return [lines[0][:start] + (fence[1] or fence[2]) + "text", *lines[1:]]


def _fence_indented(lines: list[str], parsed: list[Line]) -> list[str]:
    """Return indented code as fenced code.

    Whether the frontend parses an indented line as code depends on the lines before it. A fence is
    unambiguous, so nothing that was left unescaped as code can be rendered as text.
    """
    indent = _container_prefix(parsed[0])
    before = lines[0][: parsed[0].start]
    longest = max(map(len, re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(longest + 1, 3)
    written = [(before.rstrip(" \t") + " " if _has_marker(before) else indent) + fence]
    for text, line in zip(lines, parsed, strict=True):
        written.append(indent + " " * line.extra_columns + text[line.start :])
    return [*written, indent + fence]


def _has_marker(before: str) -> bool:
    """Return whether a list item or footnote begins in this prefix of a line."""
    return bool(before.strip(" \t>"))


def _restore_lines(content: str, lines: list[str], parsed: list[Line]) -> list[str]:
    """Return sanitized inline text with the container prefix of each line in front of it."""
    number = 0
    written = [lines[0][: parsed[0].start]]
    for part in re.split(f"([{SOURCE_BREAK}{ADDED_BREAK}{JOINED_BREAK}])", content):
        if part == ADDED_BREAK:
            written += ["\n", _container_prefix(parsed[number])]
        elif part in (SOURCE_BREAK, JOINED_BREAK):
            number += 1
            line = parsed[number]
            before = lines[number][: line.start]
            if lines[number].startswith("<", line.start):
                # Without the container's marker, a tag alone on a line would end the paragraph.
                before = _container_prefix(line)
            written.append(" " if part == JOINED_BREAK else "\n" + before)
        else:
            written.append(part)
    return ["".join(written)]


def _container_prefix(line: Line) -> str:
    """Return the prefix of a continuation line in the containers of `line`."""
    return "".join("> " if kind == QUOTE else " " * width for kind, width in line.containers)


def _fence_formula(lines: list[str], parsed: list[Line]) -> list[str]:
    """Return a display formula with `$$` delimiters on lines of their own."""
    indent = _container_prefix(parsed[0])
    start = parsed[0].start
    opening = lines[0][start + 2 :].strip()
    closer = "$$" if lines[0][start] == "$" else "\\]"
    body, _, after = lines[-1][parsed[-1].start :].partition(closer)
    written = [lines[0][:start] + "$$"]
    written += [indent + opening] if opening else []
    written += lines[1:-1]
    if punctuation := re.match(r"[.,;:]\s*$", after):
        body, after = body + punctuation[0].strip(), ""
    written += [indent + body.strip()] if body.strip() else []
    written.append(indent + "$$")
    if after.strip():
        rest = InlineSanitizer(after.strip(), {}).sanitize()
        written.append(indent + rest.replace(JOINED_BREAK, " "))
    return written
