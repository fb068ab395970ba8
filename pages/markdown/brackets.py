"""Links, images and footnote marks as an inline rule of markdown-it, in linear time.

The library's rules search the closing bracket from each opening one, which takes quadratic time for
text such as `[[[[`. Here all brackets of a text are matched once. An image yields tokens like a
link, so that its label is parsed as well. This module must not know how tokens are written.
"""

import re
from typing import NamedTuple

from markdown_it.common.utils import normalizeReference
from markdown_it.helpers import parseLinkDestination, parseLinkTitle
from markdown_it.rules_inline import StateInline, autolink, backtick, escape

from pages.markdown.formulas import dollars, latex

BRACKET = re.compile(r"!?\[|\]|[\\`<$]")
BLANKS = re.compile(r"[ \t\n]*")
INCOMPLETE = re.compile(r"\([^\s()<>\[\]]*\Z")
MAX_LABEL_LENGTH = 999  # characters
# What takes precedence over brackets. Each rule consumes a token at the current position, if any.
SKIPPED = (latex, escape, backtick, autolink, dollars)


class Target(NamedTuple):
    """What an opening bracket begins: the index of its text's end and the index after it all."""

    kind: str  # link, image, footnote
    text_start: int
    text_end: int
    end: int
    href: str = ""
    title: str = ""


def bracket(state: StateInline, silent: bool) -> bool:
    """Parse a link, an image or a footnote mark."""
    if state.src[state.pos] not in "![":
        return False
    targets = _targets(state)
    found = targets.get(state.pos)
    if found is None:
        return False
    if not silent and found.kind == "footnote":
        label = state.src[found.text_start : found.text_end]
        state.push("footnote_ref", "", 0).meta = {"label": label}
    elif not silent:
        maximum = state.posMax
        token = state.push(f"{found.kind}_open", "a", 1)
        token.attrs = {"href": found.href, "title": found.title}
        state.pos, state.posMax = found.text_start, found.text_end
        state.linkLevel += 1
        state.md.inline.tokenize(state)
        state.linkLevel -= 1
        state.push(f"{found.kind}_close", "a", -1)
        state.posMax = maximum
    state.pos = found.end
    return True


def _targets(state: StateInline) -> dict[int, Target]:
    """Return what the opening brackets of this text begin, by index."""
    known, targets = state.env.get("targets", (None, {}))
    if known is not state:
        targets = _match(state)
        state.env["targets"] = state, targets
    return targets


def _match(state: StateInline) -> dict[int, Target]:
    found: dict[int, Target] = {}
    opened: list[tuple[int, int]] = []  # the indices of a bracket and of the text after it
    inactive = 0  # number of opened brackets that contain a link, and so cannot begin another
    notes = state.env.get("footnotes", {}).get("refs", {})
    before, position = state.pos, 0
    while mark := BRACKET.search(state.src, position):
        position = mark.end()
        if mark[0] in ("[", "!["):
            opened.append((mark.start(), mark.end()))
        elif mark[0] != "]":
            state.pos = mark.start()
            if any(rule(state, True) for rule in SKIPPED):
                position = state.pos
        elif opened:
            start, text_start = opened.pop()
            is_image = state.src[start] == "!"
            can_link = is_image or len(opened) >= inactive
            inactive = min(inactive, len(opened))
            label = state.src[text_start : mark.start()][: MAX_LABEL_LENGTH + 1]
            if label.startswith("^") and f":{label[1:]}" in notes:
                found[text_start - 1] = Target("footnote", text_start + 1, mark.start(), position)
            elif can_link and (target := _target(state, label, position, is_image)):
                end, href, title = target
                kind = "image" if is_image else "link"
                found[start] = Target(kind, text_start, mark.start(), end, href, title)
                position = end
                inactive = inactive if is_image else len(opened)
    state.pos = before
    return found


def _target(
    state: StateInline, label: str, start: int, is_image: bool
) -> tuple[int, str, str] | None:
    """Return the end, destination and title of what follows a closing bracket."""
    if found := _inline_target(state, start, is_image):
        return found
    if state.env.get("is_growing") and INCOMPLETE.match(state.src, start):
        return len(state.src), "", ""
    references = state.env.get("references", {})
    end = start
    if state.src.startswith("[", start) and (close := state.src.find("]", start, start + 1001)) > 0:
        end = close + 1
        label = state.src[start + 1 : close] or label
    if len(label) > MAX_LABEL_LENGTH or not references:
        return None
    reference = references.get(normalizeReference(label))
    return (end, reference["href"], reference["title"]) if reference else None


def _inline_target(state: StateInline, start: int, is_image: bool) -> tuple[int, str, str] | None:
    src, maximum = state.src, len(state.src)
    if not src.startswith("(", start):
        return None
    position = _skip_blanks(src, start + 1)
    href = title = ""
    destination = parseLinkDestination(src, position, maximum)
    if destination.ok:
        href = destination.str
        if not is_image and not state.md.validateLink(href):
            return None
        blank = destination.pos
        position = _skip_blanks(src, blank)
        parsed = parseLinkTitle(src, position, maximum)
        if position > blank and parsed.ok:
            title, position = parsed.str, _skip_blanks(src, parsed.pos)
    return (position + 1, href, title) if src.startswith(")", position) else None


def _skip_blanks(text: str, start: int) -> int:
    return BLANKS.match(text, start).end()  # type: ignore[union-attr]
