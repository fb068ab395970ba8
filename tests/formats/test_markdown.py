"""Tests for the Markdown export."""

from __future__ import annotations

import pytest

from chat.formats.markdown import escape_line, self_contained, to_markdown
from tests.support.portable_samples import sample_conversation


def test_markdown_contains_the_visible_path() -> None:
    text = to_markdown(sample_conversation(), {"openai/gpt-5": "gpt-5 · OpenAI"})
    assert text.startswith("# Cats 0\n\n## You\n\n*Attached: cat\\.png (3 × 2)*")
    assert "## Assistant · gpt\\-5 · OpenAI\n\n> *Reasoning*\n>\n> Looks like one." in text
    assert "A *cat*." in text
    assert text.index("A *cat*.") < text.index("Context cleared") < text.index("Really?")
    assert "Thanks" not in text  # another version
    assert "Yes" not in text  # deleted


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("```py\nx", "```py\nx\n```"),
        ("~~~~\n~~~\n```", "~~~~\n~~~\n```\n~~~~"),
        ("```a`b``` x", "```a`b``` x"),
        ("<!-- gone", "&lt;!-- gone"),
        ("a <details> b", "a &lt;details> b"),
        ("`<b>` <b> ``<i>`` `<u>", "`<b>` &lt;b> ``<i>`` `&lt;u>"),
        ("<https://example.com> 1 < 2", "<https://example.com> 1 < 2"),
        ("![a](https://b.c) ![d][e]", r"\![a](https://b.c) \![d][e]"),
        (r"\![a](b) \\![a](b) !\[a](b)", r"\![a](b) \\\![a](b) !\[a](b)"),
        ("`![a](b)` ` ![a](b)", "`![a](b)` ` \\![a](b)"),
        ("- ![a](b)\n> # !![a](b)", "- \\![a](b)\n> # !\\![a](b)"),
        ("```\n![a](b)\n```\n![a](b)", "```\n![a](b)\n```\n\\![a](b)"),
        ("```\n<b>\n```\n<b>", "```\n<b>\n```\n&lt;b>"),
    ],
)
def test_message_is_self_contained(text: str, result: str) -> None:
    assert self_contained(text) == result


def test_escape_line_escapes_markdown_and_html() -> None:
    assert escape_line("a\n# b](x) <img src=y> `c`") == r"a \# b\]\(x\) &lt;img src=y\> \`c\`"
