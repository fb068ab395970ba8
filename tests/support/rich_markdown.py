"""A reply with every kind of Markdown, and how it must look on the page."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.chat_page import Chat

RICH_MARKDOWN = """It costs $5 and $10, not $x^2$.

:red[not red] and :material/home: and :smile: stay text.

| Name | Value |
|---|---|
| a | 1 |

```python
print("hello")
```

```mermaid
graph TD; Alpha-->Omega;
```

$$
e = mc^2
$$

![leak](http://198.51.100.7/pixel.png) <img src="http://198.51.100.8/pixel.png">
"""


def expect_rich_markdown(chat: Chat, *, is_complete: bool = True) -> None:
    """Expect the last answer to show `RICH_MARKDOWN`."""
    answer = chat.answers.last
    expect(answer).to_contain_text("It costs $5 and $10, not")
    expect(answer.locator(".katex").first).to_be_visible()
    assert "$" not in answer.locator(".katex").first.inner_text()
    expect(answer).to_contain_text(":red[not red] and :material/home: and :smile: stay text.")
    expect(answer.get_by_role("table")).to_contain_text("Value")
    expect(answer.get_by_role("code").filter(has_text="print").first).to_be_visible()
    if is_complete:  # while text streams, Streamlit shows a diagram's source
        expect(answer.get_by_role("img", name=re.compile("Mermaid"))).to_be_visible()
    expect(answer.locator(".katex-display")).to_have_count(1)
