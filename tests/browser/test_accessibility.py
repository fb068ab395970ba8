"""WCAG 2.2 levels A and AA on every screen: dark theme, and light theme on a phone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.chat_page import Chat, wait_until
from tests.support.llm_server import FAULTS, LLMServer, Script
from tests.support.sample_files import photo, workbook

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Gate = Callable[[], threading.Event]

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
VARIANTS: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark"},
    "light phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
    },
}
ANIMATIONS_FINISHED = """() => document.getAnimations().every((animation) =>
  animation.playState !== "running" || animation.effect.getTiming().iterations === Infinity)"""
RICH = """# Title

Some *words* with `code` and a [link](https://example.org), $x^2$.

| Name | Value |
|---|---|
| a | 1 |

```python
def long_function_name(argument_number_one, argument_number_two, argument_number_three): return None
```

> A quote, and averyveryveryveryveryveryveryveryveryveryveryveryverylongwordwithoutanybreak.
"""


@pytest.mark.parametrize("variant", VARIANTS)
def test_screens_have_no_accessibility_violations(
    visit: Callable[..., Chat], server: LLMServer, gate: Gate, variant: str
) -> None:
    chat = visit(**VARIANTS[variant])
    is_phone = "viewport" in VARIANTS[variant]
    problems: dict[str, list[str]] = {}

    def check(screen: str) -> None:
        wait_until(chat.page, ANIMATIONS_FINISHED)  # fading in lowers the contrast
        found = Axe().run(chat.page, options={"runOnly": {"type": "tag", "values": TAGS}})
        if found.response["violations"]:
            problems[screen] = [
                f"{each['id']} ({each['help']}): "
                + "; ".join(node["html"][:150] for node in each["nodes"][:3])
                for each in found.response["violations"]
            ]
        width = chat.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if width > 0:
            problems.setdefault(screen, []).append(f"scrolls sideways by {width} px")

    check("welcome")
    server.next(Script(text=RICH, reasoning=("a ", "thought ")))
    chat.ask("Show me something")
    expect(chat.answers.locator("pre span").first).to_be_visible()  # highlighting is applied later
    check("conversation")
    chat.paste_file("image.png", photo(), "image/png")
    chat.attach("people.xlsx", workbook())
    chat.attach("empty.txt", b"")
    chat.price("people.xlsx")
    check("files in the box")
    chat.chip("empty.txt").get_by_role("button").click()
    expect(chat.waiting("empty.txt")).to_have_count(0)
    chat.ask("Look at these")
    expect(chat.page.get_by_test_id("stDataFrame")).to_be_visible()
    check("files in a message")
    chat.press(f"edit_{chat.question_id}")
    expect(chat.page.locator('[class*="st-key-edit_text_"] textarea')).to_be_visible()
    check("editing")
    chat.page.locator('[class*="st-key-edit_cancel_"] button').click()
    chat.wait_settled()
    held = gate()
    server.next(Script(tokens=30, gate=held, gate_at=10))
    chat.send("More")
    chat.wait_word(9)
    check("running reply")
    held.set()
    chat.wait_done()
    server.next(FAULTS["401"])
    chat.ask("Fail")
    check("error")
    if is_phone:
        chat.page.get_by_test_id("stExpandSidebarButton").click()
        expect(chat.button("search")).to_be_in_viewport()
        check("sidebar")
    chat.press("search")
    expect(chat.key("search_text")).to_be_visible()
    chat.key("search_text").locator("input").fill("something")
    expect(chat.page.locator('[class*="st-key-found_"]').first).to_be_visible()
    check("search")
    chat.press("shortcuts")
    expect(chat.page.get_by_text("New line")).to_be_visible()
    check("shortcuts")
    chat.page.keyboard.press("Escape")
    chat.press("manage")
    expect(chat.button("share")).to_be_visible()
    check("this conversation")
    chat.page.keyboard.press("Escape")
    chat.page.goto(f"{chat.url}/history")
    expect(chat.button("export_all")).to_be_visible()
    check("history")
    chat.page.goto(f"{chat.url}/usage")
    expect(chat.button("set_banner")).to_be_visible()
    expect(chat.page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    expect(chat.key("usage_table").get_by_role("table")).to_be_visible()
    check("usage")
    assert not problems, "\n".join(f"{screen}: {each}" for screen, each in problems.items())
