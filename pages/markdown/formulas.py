r"""Formulas as rules of markdown-it, and the rules that distinguish them from prices.

`$…$` follows pandoc's rule and must not look like a price; `$$…$$`, `\(…\)` and `\[…\]` are
formulas too. The frontend guesses from the whole text whether it contains formulas, so a formula
must also be harmless as text. This module must not know how a formula is written.
"""

import re

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

# What a frontend that reads a formula as text could take for Markdown that is not.
NO_FORMULA = re.compile(r"`|\]\(|!\[|~~~|::|:[\w+-]+[:\[{]|:material[/_]")
LATEX_OPENER = re.compile(r"\\[(\[]")
NUMBER = re.compile(r"[\d.,]+\s?")
LETTERS = re.compile(r"[^\W\d_]{2}")
FORMULA = re.compile(r"[\\^_{}=]")
AFTER_PRICE = "-–—/,;:(+&"
AFTER_VARIABLE = "/:,;.\"'([|&-"
CLOSERS = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}


def dollars(state: StateInline, silent: bool) -> bool:
    """Parse `$…$` and `$$…$$`, or dollar signs that are none."""
    src, start = state.src, state.pos
    if src[start] != "$":
        return False
    end = start
    while end < state.posMax and src[end] == "$":
        end += 1
    found = None
    if end - start == 2:
        found = _delimited(state, "$$", end)
        if found and (src[found + 2 : found + 3] == "$" or not _is_math(src[end:found])):
            found = None
    elif end - start == 1:
        found = _dollar_end(state, end)
    if found is None:
        if not silent:
            state.append_pending(src[start:end])
        state.pos = end
        return True
    if not silent:
        kind = "formula" if end - start == 1 else "display_formula"
        state.push(kind, "", 0).content = src[end:found]
    state.pos = found + end - start
    return True


def latex(state: StateInline, silent: bool) -> bool:
    r"""Parse `\(…\)` and `\[…\]`."""
    src, start = state.src, state.pos
    opener = src[start : start + 2]
    if opener not in ("\\(", "\\["):
        return False
    again = LATEX_OPENER.search(src, start + 2, state.posMax)
    close = src.find(CLOSERS[opener], start + 2, again.start() if again else state.posMax)
    if close < 0:
        return False
    body = src[start + 2 : close]
    if not body.strip() or not _is_math(body) or "$$" in body:
        return False
    if opener == "\\[":
        starts_line = not src[src.rfind("\n", 0, start) + 1 : start].strip(" \t")
        is_formula = starts_line or body[0].isspace() or FORMULA.search(body)
        if not is_formula or src[close + 2 : close + 3] in ("(", "[", ":"):
            return False
    if not silent:
        state.push("formula" if opener == "\\(" else "display_formula", "", 0).content = body
        state.tokens[-1].markup = opener
    state.pos = close + 2
    return True


def display(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Parse a display formula over several lines."""
    start = state.bMarks[start_line] + state.tShift[start_line]
    opener = state.src[start : start + 2]
    if opener not in ("$$", "\\[") or state.src.startswith("$$$", start):
        return False
    closer = CLOSERS[opener]
    first = state.src[start + 2 : state.eMarks[start_line]]
    if state.is_code_block(start_line) or closer in first:
        return False
    # A formula with text on its first line ends at a blank line, like a paragraph.
    line = _closing_line(state, start_line, end_line, closer, spans_blank=not first.strip())
    if line is None:
        return False
    last = state.getLines(line, line + 1, state.sCount[start_line], False)
    body, _, after = last.partition(closer)
    lines = state.getLines(start_line + 1, line, state.sCount[start_line], False)
    content = "\n".join(each for each in (first.strip(), lines, body.rstrip()) if each.strip())
    if not content or not _is_math(content) or "$$" in content or (after.strip(" \t.,;:")):
        return False
    if silent:
        return True
    token = state.push("display_formula_block", "", 0)
    token.content = content + after.strip()
    token.map = [start_line, line + 1]
    state.line = line + 1
    return True


def _closing_line(
    state: StateBlock, start: int, end: int, closer: str, *, spans_blank: bool
) -> int | None:
    """Return the line that closes a formula; a search that failed is not repeated."""
    failed: set[tuple[str, int]] = state.env.setdefault("unclosed", set())
    if (closer, end) in failed:
        return None
    for line in range(start + 1, end):
        first = state.bMarks[line] + state.tShift[line]
        if state.isEmpty(line):
            if not spans_blank:
                return None
        elif state.sCount[line] < state.blkIndent:
            return None
        elif state.src.find(closer, first, state.eMarks[line]) >= 0:
            return line
        elif state.src.startswith("\\[", first):
            return None
    failed.add((closer, end))
    if spans_blank and state.level == 0:
        state.env["open_formula"] = closer
    return None


def _delimited(state: StateInline, closer: str, start: int) -> int | None:
    """Return the next index of `closer`, in constant time if there is none."""
    known, last = state.env.get("closers", (None, {}))
    if known is not state:
        last = {}
        state.env["closers"] = state, last
    if closer not in last:
        last[closer] = state.src.rfind(closer)
    if last[closer] < start:
        return None
    found = state.src.find(closer, start, state.posMax)
    return found if found >= 0 else None


def _dollar_end(state: StateInline, start: int) -> int | None:
    """Return the index of the dollar sign that closes the formula which begins at `start`."""
    end = _delimited(state, "$", start)
    while end is not None and _is_escaped(state.src, end):
        end = _delimited(state, "$", end + 1)
    if end is None or end == start:
        return None
    return end if _is_formula(state.src, state.src[start:end], start - 1, end) else None


def _is_escaped(text: str, at: int) -> bool:
    count = 0
    while text[at - 1 - count : at - count] == "\\":
        count += 1
    return count % 2 == 1


def _is_math(body: str) -> bool:
    """Return whether `body` holds no other Markdown, in case the frontend finds no formula here."""
    return bool(body.strip()) and not NO_FORMULA.search(body)


def _is_formula(text: str, body: str, start: int, end: int) -> bool:
    """Return whether `$body$` is a formula and not a price.

    `start` and `end` are the indices of the two dollar signs in `text`.
    """
    before, after = text[start - 1 : start], text[end + 1 : end + 2]
    if body[0].isspace() or body[-1].isspace() or after.isdigit():
        return False
    if after in ("$", "{") and not body.endswith("\\$"):
        return False
    if before.isalnum() and body[0].isdigit():
        return False
    if after.isalpha() and body[-1] in AFTER_VARIABLE:
        return False
    return _is_math(body) and (bool(FORMULA.search(body)) or not _is_price(body))


def _is_price(body: str) -> bool:
    """Return whether `body` is an amount of money and the words after it."""
    number = NUMBER.match(body)
    if number is None:
        return False
    rest = body[number.end() :]
    if LETTERS.search(rest):
        return True
    return body[-1] in AFTER_PRICE and not any(c.isspace() or c.isdigit() for c in rest)
