"""Texts on which a pattern that backtracks, or a search that starts again, takes quadratic time."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

REPEATED = [
    *"$[]`<>*_~!&|\\#-:;=@./?%({\"' \t\n\r\0aé٠日\u202e\u200b",
    "![", "](", "``a` ", "a$b ", "$a", "$$", "$$a", "$.", "$1.", "\\(", "\\[\n", "$$\n", "\\$",
    "> ", "- ", "> $$\n", "1. ", "- [ ] ", "  - a\n", "> > a\n", "* * ", "a\n\n", "    a\n",
    "\ta\n", "```\n", "~~~\n", "```\n\na\n", "---", "---|", "|---|\n", "| a", "a|b\n-|-\n",
    "a\n---\n", ":a:", "&colon;a", "&#58;", "&#", "[r]: u\n", "[^a]", "[^a]: ", "[a][b]", "[a](",
    "[a](b)",
    "[a](<b", '[a](b "', "<a b='", "<!--", "<a:", "<br>", "**a ", "_a_*", "~~a", "*a_", "a_b",
    "http://a.b/:a:", "https://", "https://a)", "www.a ", "a@b.c ", "a.b.", "a.a@", "[a.a](http://b.c)",
    " -> ", "\r\n", "  \n", " \n", "a ", "a\t", "\\n", "%41", "\\u0041", "sk-", "key=", "api_key: ",
    "bearer ", "://a:", "a-1", "A1b2", "<think>", "</think>", "<think", "{", '{"a":',
    "data: {}\n\n", "\ue200", "try again in 1", "please ", "could you ", "write a long ",
    "data:image/", "\x1b[",
    "e\u0301", "\u0301", "\ud800", "0" , "1,", "'a", '"a" ', "too ", "max_tokens ",
    "context length ",
]  # fmt: skip
PAIRS = [
    ("[", "]"), ("[", "](b)"), ("![", "](b)"), ("**a ", "b**"), ("`a", "`"), ("> ", "a"),
    ("https://a", ")"), ("[a](", "b"), ("(", ")"), ("[a](b(", "c"), ("\\(", "\\)"),
    ("\\[\n", "\\]"), ("*", "a*"), ("[^1]", "\n\n[^1]: a"), ("<think>", "</think>"), ("$", "a$"),
    ("\\", "!["), ("{", "}"), (" ", "a"), ("\n", " "), ("<a ", ">"), ("<!--", "-->"),
]  # fmt: skip
SHAPES: dict[str, Callable[[int], str]] = {
    "hyphens and a letter": lambda size: "-" * size + "x",
    "dots between dollars": lambda size: f"${'.' * size}$",
    "digits between dollars": lambda size: f"${'1.' * (size // 2)}$",
    "an address and parentheses": lambda size: "https://a" + ")" * size,
    "an address, parentheses and dots": lambda size: "https://a" + ")." * (size // 2),
    "marks after a word": lambda size: "a: " + "!" * size,
    "spaces and a letter": lambda size: " " * size + "x",
    "a letter and spaces": lambda size: "x" + " " * size,
    "longer and longer code": lambda size: " ".join("`" * n for n in range(isqrt(2 * size))),
    "shorter and shorter code": lambda size: (
        " ".join("`" * n for n in reversed(range(isqrt(2 * size))))
    ),
    "longer and longer formulas": lambda size: " ".join("$" * n for n in range(isqrt(2 * size))),
    "deeper and deeper lists": lambda size: "".join(f"{'  ' * n}- a\n" for n in range(isqrt(size))),
    "a wide and long table": lambda size: (
        "|" + "a|" * isqrt(size) + "\n|" + "-|" * isqrt(size) + "\n" + "|\n" * isqrt(size)
    ),
    "many links to one address": lambda size: (
        "[r]: u\n" * (size // 14) + "\n" + "[r] " * (size // 8)
    ),
    "many footnotes": lambda size: (
        "".join(f"[^{n}] " for n in range(size // 20))
        + "\n\n"
        + "".join(f"[^{n}]: a\n\n" for n in range(size // 20))
    ),
    "long link texts": lambda size: f"[{'a.' * 480}](http://b.c) " * (size // 1000 + 1),
    "code that opens and closes": lambda size: "```\n\na\n```\n```\n\na\n```\n" * (size // 24),
}  # fmt: skip


def hostile_texts() -> dict[str, Callable[[int], str]]:
    """Return functions that make a text of about the given number of characters, by name."""

    def repeat(unit: str) -> Callable[[int], str]:
        return lambda size: (unit * (size // len(unit) + 1))[:size]

    def halves(head: str, tail: str) -> Callable[[int], str]:
        return lambda size: head * (size // 2 // len(head)) + tail * (size // 2 // len(tail))

    return (
        {repr(unit): repeat(unit) for unit in REPEATED}
        | {f"{head!r} and {tail!r}": halves(head, tail) for head, tail in PAIRS}
        | SHAPES
    )
