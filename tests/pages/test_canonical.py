"""Tests for the final check of written Markdown: it finds what the parser or writer could miss."""

import pytest

from pages.markdown.canonical import is_canonical

CANONICAL = [
    "a \\!\\[b\\](c) \\<img\\>",
    "[a](<https://h.io>) [b](</c?d:e> \"t\\\"\")",
    "`![a](b)` \\`",
    "$a< b$ $$ c\\$ $$", "$[0, 1]: x$",
    "```\n![a](b)\n<img>\n```",
    "- a\n  > ```py\n  > ![a](b)\n  > ```",
    "10. - ```\n      ![a](b)\n      ```",
    "-\n  ```\n  ![a](b)\n\n  ```\n\nb",
    "a[^12]\n\n[^12]:\n    ```\n    ![a](b)\n    ```",
    "$$\na\n$$\nb",
    "| a | b |\n| :-: | --- |\n| `a\\|b` |  |",
    "- [ ] a\n- [x] b",
    "a :small[] b",
]  # fmt: skip


@pytest.mark.parametrize("text", CANONICAL)
def test_form_of_the_writer_is_accepted(text: str) -> None:
    assert is_canonical(text.split("\n"))


REFUSED = [
    # images and references
    "![a](b)", "\\\\![a](<b>)", "![a]", "![a][b]", "a!![b](<c>)", "[a]: b", "- [a]: b",
    # links in any other form, and with other schemes
    "[a](b)", "[a](<b c>)", "[a](<javascript:b>)", "[a](<data:b>)", "[a](<b> \"c\" d)",
    "[a](<b> \"c`\")", "[a](<b\\>)",
    # tags and directives
    "<img src=a>", "a <b>", "</a>", "<!-- a", "<?a", ":a[b]", "::a", ":::a", ":a{b}", ":tada:",
    ":streamlit:", ":small[]{a}", ":small[](b)", ":material/home:",
    # code that could end earlier, or not be code
    "`a", "a `b`` c", "`a\n![b](c)`", "`a|![b](c)`", "| `a|b` |", "| `a\\\\|b` |",
    "```\n![a](b)", "```\n```\n![a](b)", "```a`b\n![a](b)\n```", "~~~\n![a](b)\n~~~",
    "    ```\n    ![a](b)\n    ```", "- a\n     ```\n     ![a](b)\n     ```",
    "a\n2. b\n   ```\n   ![a](b)\n   ```", "> ```\n![a](b)\n> ```", "- ```\n![a](b)\n  ```",
    "01. ```\n   ![a](b)\n   ```", "\u0661. ```\n   ![a](b)\n   ```", "* a", "```\na\n  ```\n```",
    "```\n```a\n```",
    # formulas that are none, or hold something else
    "$a", "$a\nb$", "$`$ ![a](b)`", "$![a](b)$", "$<a$", "$:a[b]$", "$$\na", "$$\n```\n$$\n```",
    "$$\n\na\n$$", "$$\n![a](b)\n$$", "- $$\n  a\n$$",
    # what continues a paragraph although it is outside of the container
    "> a\nb", "- a\nb", "\ta", " a", "a\rb",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_any_other_form_is_refused(text: str) -> None:
    assert not is_canonical(text.split("\n"))


@pytest.mark.parametrize("text", REFUSED)
def test_any_other_form_is_refused_in_a_container(text: str) -> None:
    first, *rest = text.split("\n")
    assert not is_canonical([f"> - {first}", *(f">   {line}" for line in rest)])
