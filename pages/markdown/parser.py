"""The Markdown dialect of models and users, parsed with markdown-it.

The dialect is CommonMark with formulas and GFM's tables, strikethrough, footnotes and bare URLs.
HTML is text, as it is for the frontend. This module must not know how tokens are written.
"""

import re
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from pages.markdown import formulas
from pages.markdown.brackets import bracket
from pages.markdown.links import is_allowed, match_url

MAX_NESTING = 40  # levels of tokens; a list takes two
BREAK_TAG = re.compile(r"<br[ \t]*/?>", re.IGNORECASE)
URL_START = r"(?<![A-Za-z0-9])(?:https?://|www\.)(?=[^\W_])"
# What ends plain text: the beginning of a token, and the end of a link text. Each match costs time.
TEXT_END = re.compile(
    rf"[\n$*\[\]\\_`]|!(?=\[)|&(?=[#A-Za-z])|<(?=[A-Za-z])|~~|{URL_START}", re.IGNORECASE
)
CLOSED_WHILE_GROWING = tuple(map(ord, "*_~"))


@cache
def _parser(keeps_definitions: bool) -> MarkdownIt:
    md = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING, "html": False})
    md.enable(["table", "strikethrough"]).disable(["html_block", "html_inline", "image"])
    if keeps_definitions:
        md.disable("reference")
    else:
        md.use(footnote_plugin, inline=False, move_to_end=False).disable("footnote_ref")
    md.normalizeLink = md.normalizeLinkText = str  # type: ignore[method-assign, assignment]
    md.validateLink = is_allowed  # type: ignore[method-assign]
    md.inline.terminator_re = TEXT_END
    alternatives: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.core.ruler.at("inline", _parse_inline)
    md.block.ruler.before("fence", "display_formula", formulas.display, alternatives)
    md.inline.ruler.at("link", bracket)
    md.inline.ruler.before("escape", "latex", formulas.latex)
    md.inline.ruler.before("escape", "dollars", formulas.dollars)
    md.inline.ruler.before("escape", "url", _url)
    md.inline.ruler.before("autolink", "break_tag", _break_tag)
    md.inline.ruler2.before("balance_pairs", "growing", _close_growing)
    return md


def parse(
    text: str, env: dict[str, Any] | None = None, *, keeps_definitions: bool = False
) -> list[Token]:
    """Return the tokens of `text`.

    `env` may hold the `references` of a longer document. With `keeps_definitions`, a line that
    could be the definition of a link or footnote is text.
    """
    return _parser(keeps_definitions).parse(text, {} if env is None else env)


def parse_blocks(text: str, env: dict[str, Any]) -> list[Token]:
    """Return the tokens of the blocks of `text`, without inline tokens; fill `env`."""
    md = _parser(keeps_definitions=False)
    tokens: list[Token] = []
    md.block.parse(text, md, env, tokens)
    return tokens


def is_closed(fence: Token) -> bool:
    """Return whether a fence ends with its closing line, not with its container."""
    if not fence.map:
        return False
    lines = fence.content.count("\n") + (fence.content[-1:] not in ("", "\n"))
    return fence.map[1] - fence.map[0] == lines + 2


def _parse_inline(state: StateCore) -> None:
    """Parse the inline text of all blocks; only the last one may grow."""
    is_growing = state.env.pop("is_growing", False)
    last = len(state.tokens)
    while last and state.tokens[last - 1].nesting < 0:
        last -= 1
    for number, token in enumerate(state.tokens, 1):
        if token.type == "inline":
            state.env["is_growing"] = is_growing and number == last
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _url(state: StateInline, silent: bool) -> bool:
    """Parse a bare URL."""
    if state.linkLevel or state.src[state.pos] not in "hHwW":
        return False
    if not TEXT_END.match(state.src, state.pos):
        return False
    url = match_url(state.src, state.pos, state.posMax)
    if not silent:
        href = url if url[0] in "hH" else f"http://{url}"
        state.push("link_open", "a", 1).attrs = {"href": href, "title": ""}
        state.push("text", "", 0).content = url
        state.push("link_close", "a", -1)
    state.pos += len(url)
    return True


def _break_tag(state: StateInline, silent: bool) -> bool:
    """Parse `<br>`, which models write in table cells."""
    found = BREAK_TAG.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _close_growing(state: StateInline) -> None:
    """Close emphasis that is still open at the end of a text that grows."""
    if not state.env.get("is_growing"):
        return
    unclosed: list[Delimiter] = []
    for each in state.delimiters:
        if each.marker not in CLOSED_WHILE_GROWING:
            continue
        if each.close and unclosed and unclosed[-1].marker == each.marker:
            unclosed.pop()
        elif each.open and not each.close:
            unclosed.append(each)
    for each in reversed(unclosed):
        state.push("text", "", 0).content = chr(each.marker) * (2 if each.marker == ord("~") else 1)
        token = len(state.tokens) - 1
        closing = Delimiter(each.marker, each.length, token, -1, open=False, close=True)
        state.delimiters.append(closing)
