"""Tests for the Markdown sanitizer.

The expected outputs were checked in Streamlit 1.67 with Chromium: it renders them as the input.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pages.markdown import sanitize
from pages.markdown.diagrams import is_diagram
from pages.markdown.escaping import TEXT_BREAK
from tests.support.payloads import DIAGRAMS

CORPUS = sorted((Path(__file__).parents[1] / "support" / "corpus").glob("*.md"))
COLORS = re.findall(r"\w+", "red orange yellow green blue violet gray grey primary rainbow")
FRONTEND_DIRECTIVE = re.compile(r"(?<![\\:]):(?!small\[\])[^\W_][\w-]*[\[{]")
FRONTEND_REPLACES = re.compile(
    r":[\w+-]+:|:material[/_]\w+:|(?:^|\s)(?:<->|->|<-|--|>=|<=|~=)(?:\s|$)", re.ASCII
)


def rendered(source: str) -> str:
    """Return the text that the frontend renders for a source without other Markdown."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", source.replace(TEXT_BREAK, ""))


# An independent parser, without formulas and footnotes.
MARKDOWN = MarkdownIt("commonmark").enable("table")
MARKDOWN.validateLink = lambda url: True  # type: ignore[method-assign]

DIRECTIVES = [
    *(f":{color}{kind}[x y]" for color in COLORS for kind in ("", "-background", "-badge")),
    ":shimmer[wait]",
    ":small[x]",
    ':color[x]{foreground="#E03131" background="#fff"}',
    ":help[x]",
    ":unknown[x]",
    "::leaf[x]",
    ":::note",
    ":material/check_circle:",
    ":material_home:",
    ":streamlit:",
    ":tada:",
    ":+1:",
    ":-1:",
    ":a:b:tada:",
    "12:30:45",
    "key:value{a=b}",
    "日本語:赤[x]",
]


@pytest.mark.parametrize("text", DIRECTIVES)
def test_directive_is_rendered_as_text(text: str) -> None:
    written = sanitize.markdown(text)
    assert rendered(written) == text
    assert not FRONTEND_DIRECTIVE.search(written)
    assert not any(FRONTEND_REPLACES.search(part) for part in written.split(TEXT_BREAK))


@pytest.mark.parametrize("arrow", ["->", "<-", "<->", "--", ">=", "<=", "~="])
def test_arrow_is_not_replaced(arrow: str) -> None:
    assert rendered(sanitize.markdown(f"a {arrow} b")) == f"a {arrow} b"
    assert not FRONTEND_REPLACES.search(sanitize.markdown(f"a {arrow} b"))
    assert TEXT_BREAK not in sanitize.markdown(f"a{arrow}b")


GOLDEN = {
    # money
    "$5 and $10": r"\$5 and \$10",
    "US$5–$10": r"US\$5–\$10",
    "costs $5.": r"costs \$5.",
    "cost $5 and US$": r"cost \$5 and US\$",
    "$5 or $x$": r"\$5 or $x$",
    "**$5** or **$10**": r"**\$5** or **\$10**",
    "$HOME/bin:$PATH": r"\$HOME/bin\:\$PATH",
    "${a}/${b}": r"\${a}/\${b}",
    "$$$": r"\$\$\$",
    r"\$5": r"\$5",
    # formulas
    "$x^2$": "$x^2$",
    r"$\alpha$": r"$\alpha$",
    "the $n$th, $5 and $x$": r"the $n$th, \$5 and $x$",
    "$5$": "$5$",
    r"$a \$ b$": r"$$a \$ b$$",
    "$a\nb$": "$a b$",
    "a $$x$$ b": "a $$x$$ b",
    "$$x$$": "$$\nx\n$$",
    "$$x$$.": "$$\nx.\n$$",
    "$$\nx\n\ny\n$$": "$$\nx\ny\n$$",
    "$$ a\n+ b $$\nc": "$$\na\n+ b\n$$\n\nc",
    r"\(x\)": "$x$",
    r"\( x \)": "$x$",
    r"\[x = 1\]": "$$\nx = 1\n$$",
    "\\[\na\n+ b\n\\]": "$$\na\n+ b\n$$",
    "- a\n  \\[ b \\]\n- c": "- a\n  $$\n  b\n  $$\n- c",
    "> $$x$$\n> y": "> $$\n> x\n> $$\n> y",
    r"a \[ b \] c": "a\n$$\nb\n$$\nc",
    r"# \[ x \]": "# $$x$$",
    r"\[ ] not a formula": r"\[ \] not a formula",
    r"\[x\](y)": r"\[x\](y)",
    "$$\nnever closed\n\n:red[x]": "\\$\\$\nnever closed\n\n\\:red\\[x\\]",
    "- \\[\n\n\\(:red[": "- \\[\n\n(\\:red\\[",
    "$$\n:red[x]\n$$": "\\$\\$\n\\:red\\[x\\]\n\\$\\$",
    "$$\na\n```\n$$\n```": "\\$\\$\na\n\n```\n$$\n```",
    "> $$\n> a\n\n$b$": "> \\$\\$\n> a\n\n$b$",
    "| $5 | a |\n|---|---|\n| $x$ | 6$ |": "| \\$5 | a |\n| --- | --- |\n| $x$ | 6\\$ |",
    # images
    '![a](https://h.io/x.png "t")': r"[a \(h.io)](<https://h.io/x.png>)",
    "![](https://h.io/x.png)": "[h.io](<https://h.io/x.png>)",
    "![a [b]](  <https://h.io/x y>  )": r"[a \[b\] \(h.io)](<https://h.io/x%20y>)",
    "![a\nb](https://h.io/\n'q')": "[a\nb \\(h.io)](<https://h.io/>)",
    "[![a](https://h.io/x)](https://ok.io)": r"[a \(h.io) \(ok.io)](<https://ok.io>)",
    "![a][r]\n\n[r]: https://h.io/x": r"[a \(h.io)](<https://h.io/x>)",
    "![R]\n\n[r]: <https://h.io/x>": r"[R \(h.io)](<https://h.io/x>)",
    "!![a](https://h.io/x)": r"\![a \(h.io)](<https://h.io/x>)",
    "!!![[a](x)](https://h.io/x)": r"\!\![a \(h.io)](<https://h.io/x>)",
    "![a][nowhere]": r"\!\[a\]\[nowhere\]",
    "![a](data:image/png;base64,AA)": "a",
    "![a](javascript:alert(1))": "a",
    "![a](https://h.io/half": r"\!\[a\]([https\://h.io/half](<https://h.io/half>)",
    "| ![a](https://h.io/x) | ` |\n|---|---|": (
        "| [a \\(h.io)](<https://h.io/x>) | \\` |\n| --- | --- |"
    ),
    # links
    "[a](https://h.io/x:y$z 'b:c')": r'[a](<https://h.io/x:y$z> "b\:c")',
    "[a:b]\n\n[a:b]: https://h.io": r"[a\:b](<https://h.io>)",
    "a https://h.io/x_y.": r"a [https\://h.io/x\_y](<https://h.io/x_y>).",
    "(https://h.io/(x))": r"([https\://h.io/(x)](<https://h.io/%28x%29>))",
    "看https://h.io/a。好": r"看[https\://h.io/a](<https://h.io/a>)。好",
    "<https://h.io/a:b>": r"[https\://h.io/a\:b](<https://h.io/a:b>)",
    "[a](javascript:alert(1))": r"\[a\](javascript\:alert(1))",
    "<javascript:alert(1)>": r"\<javascript\:alert(1)\>",
    "<vscript:x>": r"\<vscript\:x\>",
    "3~5 days, at most 7~9": r"3\~5 days, at most 7\~9",
    "| 1~2 | 3~4 |\n|---|---|\n| 5~6 | 7~8 |": (
        "| 1\\~2 | 3\\~4 |\n| --- | --- |\n| 5\\~6 | 7\\~8 |"
    ),
    r"~~gone~~ `3~5` \~": r"~~gone~~ `3~5` \~",
    "http://a.example/~ann www.a.example/~ann": (
        r"[http\://a.example/\~ann](<http://a.example/~ann>) [www.a.example/\~ann](<http://www.a.example/~ann>)"
    ),
    "[a](https://a.example/~ann~)": "[a](<https://a.example/~ann~>)",
    "a &colon;streamlit&colon; b": r"a \::small[]streamlit\: b",
    "[a](java&Tab;script&colon;alert(1))": r"\[a\](java script\:alert(1))",
    "[a](vscode://x)": r"\[a\](vscode\://x)",
    "[a](mailto:b@h.io)": "[a](<mailto:b@h.io>)",
    "[r]\n\n[r]: javascript:alert(1)": "\\[r\\]\n\n\\[r\\]\\: javascript\\:alert(1)",
    "[r]\n\n[r]:\njavascript:x": "\\[r\\]\n\n\\[r\\]\\:\njavascript\\:x",
    # link text that names another host
    "[h.io](https://h.io/x)": "[h.io](<https://h.io/x>)",
    "[h.io](https://www.h.io/x)": "[h.io](<https://www.h.io/x>)",
    "[h.io](https://docs.h.io/x)": "[h.io](<https://docs.h.io/x>)",
    "[bank.com](https://evil.io)": r"[bank.com \(evil.io)](<https://evil.io>)",
    "[h.io](https://h.io.evil.io)": r"[h.io \(h.io.evil.io)](<https://h.io.evil.io>)",
    "[bank.com](//evil.io)": r"[bank.com \(evil.io)](<//evil.io>)",
    "[bank.com](https://bank.com@evil.io)": r"[bank.com \(evil.io)](<https://bank.com@evil.io>)",
    r"[bank.com](https://evil.io\\@bank.com)": (
        r"[bank.com \(evil.io)](<https://evil.io/@bank.com>)"
    ),
    "[b\u200bank.c\xadom](https://evil.io)": "[b\u200bank.c\xadom \\(evil.io)](<https://evil.io>)",
    "[b&#97;nk.com](https://evil.io)": r"[bank.com \(evil.io)](<https://evil.io>)",
    "[moc.\u202eknab](https://bank.moc)": r"[moc.knab \(bank.moc)](<https://bank.moc>)",
    "[\u200b](https://h.io)": "[\u200b \\(h.io)](<https://h.io>)",
    "[bаnk.com](https://bаnk.com)": r"[bаnk.com \(xn--bnk-6cd.com)](<https://b%D0%B0nk.com>)",
    "[bank.com][r]\n\n[r]: //evil.io": r"[bank.com \(evil.io)](<//evil.io>)",
    "[main.py](https://h.io)": "[main.py](<https://h.io>)",
    "[Node.js](https://h.io)": "[Node.js](<https://h.io>)",
    "[README.md](https://h.io)": "[README.md](<https://h.io>)",
    "[src/main.rs](https://h.io)": "[src/main.rs](<https://h.io>)",
    "[test_x.sh](https://h.io)": r"[test\_x.sh](<https://h.io>)",
    "[app.py#L5](https://h.io)": r"[app.py\#L5](<https://h.io>)",
    "[ASP.NET](https://h.io)": "[ASP.NET](<https://h.io>)",
    "[.NET](https://h.io)": "[.NET](<https://h.io>)",
    "[docs.rs](https://h.io)": r"[docs.rs \(h.io)](<https://h.io>)",
    "[paypal.com](https://h.io)": r"[paypal.com \(h.io)](<https://h.io>)",
    "[www.main.py](https://h.io)": r"[www.main.py \(h.io)](<https://h.io>)",
    "[//main.py](https://h.io)": r"[//main.py \(h.io)](<https://h.io>)",
    "[main.py/x](https://h.io)": r"[main.py/x \(h.io)](<https://h.io>)",
    "[a.b.js](https://h.io)": r"[a.b.js \(h.io)](<https://h.io>)",
    "https://bank.com@evil.io": (
        r"[https\://bank.com@evil.io \(evil.io)](<https://bank.com@evil.io>)"
    ),
    # HTML
    '<b title=":red[x]"> :red[x]': r'\<b title="\:red\[x\]"\> \:red\[x\]',
    "<div>\n:red[x]\n\n:red[x]": "\\<div\\>\n\\:red\\[x\\]\n\n\\:red\\[x\\]",
    # leading whitespace, which st.markdown would strip
    "    a:b\n\nc:d": "```\na:b\n```\n\nc\\:d",
    "\ufeff```\n![c](d)\n```": "```\n![c](d)\n```",
    "a\n- 10) ```\n![c](d)": "a\n\n- 10)\n      ```\n\n      ```\n\n[c](<d>)",
    "\n    a:b": "```\na:b\n```",
    "  a:b\n\n    ![c](d)": "a\\:b\n\n```\n![c](d)\n```",
    "\xa0\n\n    ![c](d)": "```\n![c](d)\n```",
    # indented code becomes a fence
    "a\n\n    b:c\n\n      d\n\n\n    e\n\nf": "a\n\n```\nb:c\n\n  d\n\n\ne\n```\n\nf",
    "a\n\n\tb:c\n\t\td": "a\n\n```\nb:c\n\td\n```",
    "- a\n\n      b:c\n\n- d": "- a\n\n  ```\n  b:c\n  ```\n\n- d",
    "-     b:c\n-     d": "-\n  ```\n  b:c\n  ```\n-\n  ```\n  d\n  ```",
    "-\t\tb:c": "-\n  ```\n    b:c\n  ```",
    ">     b:c\n\n>     d": "> ```\n> b:c\n> ```\n\n> ```\n> d\n> ```",
    "a\n\n    ```` b:c": "a\n\n`````\n```` b:c\n`````",
    "a\n\n    ```mermaid\n    A[//x]": "a\n\n````\n```mermaid\nA[//x]\n````",
    # headings without text, tables with an indented header row
    "[r]: //h.io\n===\n    ![a](//h.io)": "\\===\n[a \\(h.io)](<//h.io>)",
    "[r]: //h.io\n- \n\t![r]": r"- [r \(h.io)](<//h.io>)",
    "[r]: //h.io\n'b'\n===\n<x>\n![r]": "\\===\n\\<x\\>\n[r \\(h.io)](<//h.io>)",
    "[r]: //h.io\n|---|\n| ![r] |": "\\|---\\|\n\\| [r \\(h.io)](<//h.io>) \\|",
    "a\n    |---|\n    ![b](//h.io)": "a\n\\|---\\|\n[b \\(h.io)](<//h.io>)",
    "- a\n      |---|\n      ![b](//h.io)": "- a\n  \\|---\\|\n  [b \\(h.io)](<//h.io>)",
    "a\n    b\n|---|\n    ![c](//h.io)": "a\nb\n\\|---\\|\n[c \\(h.io)](<//h.io>)",
    "a\\\\|b\n|---|\n<x>\n![c](//h.io)": (
        "| a\\|b |\n| --- |\n| \\<x\\> |\n| [c \\(h.io)](<//h.io>) |"
    ),
    "a\n|---|\n| `\\\\| ![b](//h.io)`": "a\n\\|---\\|\n\\| \\\\\\\\\\| \\!\\[b\\](//h.io)",
    "> `a\n<x>\n![b](//h.io)`": "> `a <x> ![b](//h.io)`",
    "- `a\n</x>\n![b](//h.io)`": "- `a </x> ![b](//h.io)`",
    "\u202e```mermaid\nA[//h.io]\n```": "```text\nA[//h.io]\n```",
    "say [r](<vscode:a>b": r"say \[r\](\<vscode\:a\>b",
    "a:b\r\nc": "a\\:b\nc",
    # blocks
    "Title\n===\n\nText\n---\n\n* a\n* b\n\n+ c": "# Title\n\n## Text\n\n- a\n- b\n\n+ c",
    "- a\n\n  b\n- c": "- a\n\n  b\n\n- c",
    "1) a\n2) b\n\n3. c": "1) a\n2) b\n\n3. c",
    "- a\n  1. b\n     - c\n  2. d": "- a\n  1. b\n     - c\n  2. d",
    "> a\nb\n> > c": "> a\n> b\n>\n> > c",
    "- [ ] a\n- [x] b\n- [y] c": "- [ ] a\n- [x] b\n- \\[y\\] c",
    "| a | b | c |\n|:-|:-:|-:|\n| `x\\|y` | 1<br>2 | $x$ |": (
        "| a | b | c |\n| :-- | :-: | --: |\n| `x\\|y` | 1 2 | $x$ |"
    ),
    "```c++ title=x\na\n```\n~~~\n```\n~~~": "```c++\na\n```\n\n````\n```\n````",
    "```\n\na\n```": "```\n\n\na\n```",
    "* * *": "***",
    "a  \nb\\\nc": "a\\\nb\\\nc",
    "***a** b*": "*:small[]**a** b*",
    "**a***b*": "**a**:small[]*b*",
    "*&#10;a*": "*a*",
    "含**b**c": "含**b**c",
    "&amp;lt; &#33;[a](b)": r"\&lt; \![a](<b>)",
    "a<br>b": "a\\\nb",
    "\\# \\- \\1. a\n\\- b\n1986\\. c": "\\# - \\\\1. a\n\\- b\n1986\\. c",
    "-\n  - a": "- - a",
    "- ```\n  a\n  ```\n  $x^2$": "-\n  ```\n  a\n  ```\n  $x^2$",
    # formulas that the frontend could take for text
    "$a<b$": "$a< b$",
    "$x ` y$": r"\$x \` y\$",
    "$a :streamlit: b$": r"\$a \::small[]streamlit\: b\$",
    "$a~~~b$": r"\$a\~\~\~b\$",
    r"$p=25.6\$$": r"$$ p=25.6\$ $$",
    "`a` $x$ `$` $y$": "`a` $x$ `$` $y$",
    # code spans with a bar
    "`a|![b](c)`": r"a\|\!\[b\](c)",
    "| `a\\|b` |\n|---|": "| `a\\|b` |\n| --- |",
    "`![a](b)`": "`![a](b)`",
}


@pytest.mark.parametrize("text", GOLDEN)
def test_sanitized_markdown_matches_golden_output(text: str) -> None:
    assert sanitize.markdown(text) == GOLDEN[text]


SAFE_DIAGRAMS = [
    "flowchart LR\n  A[Start] -->|yes| B{Is it?}\n  B --> C[(Store)]\n  style A fill:#f9f;",
    'flowchart TD\n  A["two<br/>lines"] --> B["a\\nb"]\n  classDef x fill:#f96;\n  class A x',
    "sequenceDiagram\n  Alice->>+Bob: Hello #amp; good day\n  Note over Bob: x < y",
    "classDiagram\n  class A {\n  <<interface>>\n  +int id\n }\n  A <|-- B",
    "%%{init: {'theme': 'forest'}}%%\npie title Pets\n  \"Dogs\" : 5",
    "stateDiagram-v2\n  [*] --> Still\n  Still --> [*]",
    "gantt\n  title Plan\n  section A\n  Task : a1, 2025-01-01, 30d",
]


@pytest.mark.parametrize("source", SAFE_DIAGRAMS)
def test_safe_diagram_is_unchanged(source: str) -> None:
    text = f"a\n\n```mermaid\n{source}\n```\n\nb"
    assert sanitize.markdown(text) == text


@pytest.mark.parametrize("text", DIAGRAMS)
def test_diagram_with_external_reference_is_shown_as_source(text: str) -> None:
    written = sanitize.markdown(text)
    assert not is_diagram(written)
    assert all(each.strip() in written for each in text.splitlines() if "HOST" in each)


CODE_SAMPLE = "x[1:2] :red[y] $5 $z$ -> ![i](https://h.io) :tada: \\(q\\)"
CODE_CONTEXTS = {
    "fence": "```\n{}\n```",
    "tilde fence": "~~~~ py\n~~~\n{}\n~~~~",
    "fence with blank lines": "```\n\n{}\n\n```\nafter",
    "fence right after text": "text\n```\n{}\n```",
    "indented fence": "a\n   ```\n   {}\n   ```",
    "fence in a list": "- a\n\n  ```\n  {}\n  ```",
    "fence in a nested list": "1. a\n   - b\n     ```\n     {}\n     ```",
    "fence in a quote": "> ```\n> {}\n> ```",
    "fence in a quote in a list": "- > ```\n  > {}\n  > ```",
    "open fence": "```\n{}",
    "fence that shorter ones do not close": "````\n```\n{}\n```\n````",
    "span": "a `{}` b",
    "span of two": "a `` {} ` `` b",
    "span over lines": "a `b\n{}` c",
    "span in a table": "| a |\n|---|\n| `{}` |",
    "span in a heading": "# `{}`",
    "span in a link": "[`{}`](https://h.io)",
    "span after an escape": "\\`\\` `{}`",
}


def codes(written: str) -> list[str]:
    """Return the contents of the code in written Markdown, found by an independent parser."""
    found: list[str] = []
    for token in MARKDOWN.parse(written):
        if token.type == "fence":
            found.append(token.content)
        found += [child.content for child in token.children or () if child.type == "code_inline"]
    return found


@pytest.mark.parametrize("name", CODE_CONTEXTS)
def test_fenced_and_inline_code_is_unchanged(name: str) -> None:
    text = CODE_CONTEXTS[name].format(CODE_SAMPLE)
    assert CODE_SAMPLE in "".join(codes(sanitize.markdown(text)))


INDENTED = {
    "a\n\n    {}\n\nb": "a\n\n```\n{}\n```\n\nb",
    "a\n\n\t{}": "a\n\n```\n{}\n```",
    "- a\n\n      {}": "- a\n\n  ```\n  {}\n  ```",
}


@pytest.mark.parametrize("text", INDENTED)
def test_indented_code_becomes_a_fence(text: str) -> None:
    assert sanitize.markdown(text.format(CODE_SAMPLE)) == INDENTED[text].format(CODE_SAMPLE)


@given(
    st.sampled_from(sorted(CODE_CONTEXTS)),
    st.text(alphabet="ab1 :$![](){}<>-*_~\\|#&;.", min_size=1),
)
def test_arbitrary_code_is_unchanged(name: str, body: str) -> None:
    code = "x" + body.replace("|", "") + "x"
    written = sanitize.markdown(CODE_CONTEXTS[name].format(code) + "\n\n:red[x]")
    assert code in "".join(codes(written))


def test_text_after_code_is_sanitized() -> None:
    assert sanitize.markdown("```\n:red[x]\n```\n:red[y] `:red[x]` :red[z]").count("\\:red\\[") == 2


FRAGMENTS = [
    "a", "[r]: //e.vil/z\n", "[r]: vscode:z\n", "![r]",
    "===\n", "- ", "> ", "1. ", "\n", "\n", "\n\n", "\n    ", "\n\t", "\n\t![a](//e.vil)", "```\n",
    "~~~\n", "\u202e", "```mermaid\nA[//e.vil]\n", "`", "\\", "<div>\n", "</div>", "<!--",
    "-->", "![a](//e.vil)", "[a](vscode:b)", "<vscode:b>", "'t'\n", "[", "](", ")", "# ", "***\n",
]  # fmt: skip


def dangerous_tokens(tokens: list[Token]) -> Iterator[str]:
    """Yield the types of images, links that start programs, and diagrams that reference a URL."""
    for token in tokens:
        if token.type == "image" or "vscode:" in str(token.attrs.get("href", "")):
            yield token.type
        if token.type == "fence" and is_diagram(token.info) and "//e.vil" in token.content:
            yield token.type
        yield from dangerous_tokens(token.children or [])


@pytest.mark.slow
def test_markdown_it_finds_no_dangerous_token() -> None:
    dice = random.Random(5)
    for _ in range(5000):
        text = "".join(dice.choices(FRAGMENTS, k=dice.randint(2, 14)))
        written = sanitize.markdown(text)
        assert not [*dangerous_tokens(MARKDOWN.parse(written))], (text, written)


@given(st.text(alphabet="ab 1:./-+\\\n", max_size=60))
def test_plain_characters_are_all_rendered(text: str) -> None:
    text = "x" + re.sub(r"(?m)^[\s\d.+-]+|https?|www|\\|[ \t]+$", "", text)
    assert rendered(sanitize.markdown(text)).split() == text.split()


@pytest.mark.slow
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_prefix_of_a_document_is_sanitized(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for end in range(len(text)):
        written = sanitize.markdown(text[:end])
        assert "\r" not in written and "\0" not in written


LINES = ["# a", "- a", "1. a", "> a", "*a*", "`a`", "[a](b)", "![a](b)", "<b>", "a | b", "$x$"]
LINES += ["&amp;", "a_b_c", "~a~", "\\*", "+ a", "---"]


@pytest.mark.parametrize("text", LINES + DIRECTIVES)
def test_plain_text_escapes_markdown(text: str) -> None:
    written = sanitize.plain_text(text)
    assert rendered(written) == text
    assert not re.search(
        r"(?<!\\)[!-/:-@\[-`{-~]", re.sub(r"\\.", "", written.replace(TEXT_BREAK, ""))
    )
    assert not any(FRONTEND_REPLACES.search(rendered(part)) for part in written.split(TEXT_BREAK))


@pytest.mark.parametrize("text", ["https://h.io/x", "www.h.io", "a@h.io"])
def test_plain_text_breaks_autolinks(text: str) -> None:
    assert rendered(sanitize.plain_text(text)) == text
    assert TEXT_BREAK in sanitize.plain_text(text)


def test_plain_text_removes_line_breaks_and_control_characters() -> None:
    assert sanitize.plain_text("  a\n\tb\u2028c\x00\x1b\u202e\u2066\ufeffd\u200b ") == "a b cd"
    assert sanitize.plain_text("👩‍💻 می‌خواهم") == "👩‍💻 می‌خواهم"


KEPT_LINES = {
    "one\ntwo": "one\\\ntwo",
    "one\n\ntwo": "one\n\ntwo",
    "- a\n- b\n  c": "- a\n- b\\\n  c",
    "a\nb\n```\nc\nd\n```\ne\nf": "a\\\nb\n\n```\nc\nd\n```\n\ne\\\nf",
    "a\n\n---\nb\nc": "a\n\n***\n\nb\\\nc",
    "| a |\n|---|\n| 1 |": "| a |\n| --- |\n| 1 |",
    "    code\n    code": "```\ncode\ncode\n```",
    "a:\n  b: c\n      - d": "a\\:\\\nb\\: c\\\n\\- d",
    "[ERROR]: failed\n[^1]: started": "\\[ERROR\\]\\: failed\\\n\\[^1\\]\\: started",
}


@pytest.mark.parametrize("text", KEPT_LINES)
def test_line_ends_of_a_user_are_rendered(text: str) -> None:
    assert sanitize.markdown(text, keeps_lines=True) == KEPT_LINES[text]


GROWING = {
    "a **b": "a **b**",
    "a **b *c": "a **b *c*:small[]**",
    "a ~~b": "a ~~b~~",
    "2**10 is big": r"2\*\*10 is big",
    "a * b": r"a \* b",
    "**a**": "**a**",
    "**a\n\nb": "\\*\\*a\n\nb",
    "see [a](https://h.i": "see a",
    "on [0, 1) we": r"on \[0, 1) we",
    "i<n and": r"i\<n and",
    "```mermaid\nflowchart LR\n```": "```text\nflowchart LR\n```",
}


@pytest.mark.parametrize("text", GROWING)
def test_growing_text_is_rendered_as_if_it_ended_here(text: str) -> None:
    assert sanitize.markdown(text, is_growing=True) == GROWING[text]


def test_footnote_has_an_address_of_its_own_in_each_text() -> None:
    first, second = (sanitize.markdown(f"a[^1]\n\n[^1]: {note}\n") for note in "bc")
    marks = [re.findall(r"\[\^(\d+)\]", written) for written in (first, second)]
    assert marks[0][0] == marks[0][1] != marks[1][0]
    assert first == f"a[^{marks[0][0]}]\n\n[^{marks[0][0]}]: b"


FILLER = "Words.\n\n" * 300


def test_definition_far_from_its_link_or_footnote_is_found() -> None:
    segments = sanitize.document(f"[a][r] ![b][r]\n\n{FILLER}[r]: https://h.io")
    assert segments[0].startswith(r"[a](<https://h.io>) [b \(h.io)](<https://h.io>)")
    assert len(segments) > 1
    (segment,) = sanitize.document(f"a[^1]\n\n{FILLER}[^1]: note")
    assert segment.endswith("]: note")


def test_text_of_too_many_containers_is_shown() -> None:
    assert sanitize.markdown("> " * 60 + "![a](b)") == r"\> " * 60 + r"\!\[a\](b)"
