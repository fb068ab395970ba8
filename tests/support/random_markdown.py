"""Random hostile Markdown: fragments at the borders of what parsers read differently."""

from __future__ import annotations

import random

# `HOST` is a placeholder for the address of the listener.
FRAGMENTS = [
    "a", "b c", "\n", "\n", "\n\n", " ", "  ", "    ", "\t", "\r", "\x0b", "\x0c", "\xa0",
    "\u2028", "\0", "- ", "* ", "+ ", "1. ", "2) ", "01. ", "10. ", "\u0661. ", "> ", ">",
    "- [ ] ", "# ", "---\n", "===\n", "```", "```\n", "````\n", "~~~\n", "~~~ py\n", "`", "``",
    "`![p](//HOST/c)`", "```mermaid\n", "$", "$$", "$$\n", "\\(", "\\)", "\\[", "\\]", "\\[\n",
    "\\]\n", "x^2", "\\vert", "\\includegraphics{//HOST}", "|", "| a | b |\n", "|---|---|\n",
    "|-|\n", "--|--\n", "| x | ` ", "![a](//HOST/i)", "![a](http://HOST/i 't')",
    "![](/auth/logout)", "![", "[", "]", "](//HOST/l)", "(u)", "[r]: //HOST/r\n", "![r]", "[r]",
    "[^1]", "[^1]: ", "[^a\\]b]:", "'t'", '"t', "(t", "!", "\\", "\\!", "<div>\n", "</div>",
    "<!--", "-->", '<a b="', '">', "<b>", "<br>", "<img src=//HOST/t>", "<\u017ftyle>\n",
    "<\u017fection>\n", "<script>alert(1)</script>", "<?", "?>", "<![CDATA[", "]]>",
    "<http://HOST/a>", "http://HOST/u", "www.a.example/", "x@HOST", "::a[", ']{b="', '"}', ":::a\n",
    ":::\n", ":a[", ":red[x]", ":help[![p](//HOST/h)]", ":tada:", ":streamlit:", ":material/home:",
    "**", "*", "_", "~~", "~", "&#33;", "&lt;", "&#96;", "&#91;", "&#10;", "&#32;", "&nbsp;",
    "\ufeff", "\u200b", "\u202e", "=", "\\$", "\\`", "\\|", "->", "--", "\u300c", "\u300d",
    "\u4e2d",
]  # fmt: skip


def random_texts(count: int, host: str, seed: int) -> list[str]:
    """Return texts that contain at least one image each."""
    dice = random.Random(seed)
    texts: list[str] = []
    while len(texts) < count:
        text = "".join(dice.choices(FRAGMENTS, k=dice.randint(4, 24)))
        if "![" in text and text.strip():
            texts.append(text.replace("HOST", host))
    return texts
