"""Recorder for console errors, CSP violations and executed scripts in a browser context."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import BrowserContext, Error, Page

_VIOLATIONS = """
window.violations = []
addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`))
"""
_FOREIGN = """() => {
  const drawn = ["stMarkdown", "stCaptionContainer", "stButton", "stDownloadButton"]
  const shown = drawn.flatMap((id) => [...document.querySelectorAll(`[data-testid="${id}"] *`)])
  const tags = "iframe object embed script link style form base meta video audio image use"
  const wrong = shown.filter((each) =>
    tags.split(" ").includes(each.tagName.toLowerCase())
    || (each.tagName === "IMG" && !each.src.startsWith("blob:"))
    || [...each.attributes].some(({name}) => /^on|^ping$|^srcdoc$/.test(name))
    || /url\\(/i.test(each.getAttribute("style") ?? ""))
  const isOpen = ({protocol, origin, rel, target}) =>
    !["http:", "https:", "mailto:", "tel:"].includes(protocol)
    || (origin !== location.origin && (rel !== "noopener noreferrer" || target !== "_blank"))
  const links = shown.filter((each) => each.tagName === "A" && each.hasAttribute("href"))
  return [...wrong, ...links.filter(isOpen)].map((each) => each.outerHTML.slice(0, 200))
}"""


class PageWatch:
    """Recorder for all pages that are opened in the context after this call."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        context.add_init_script(_VIOLATIONS)
        context.on("console", self._note)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("dialog", self._dismiss)

    @property
    def page(self) -> Page:
        return self._context.pages[-1]

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def violations(self) -> list[str]:
        """CSP violations in the page and in its frames of the same origin."""
        found: list[str] = []
        for frame in self.page.frames:
            try:
                found += frame.evaluate("window.violations ?? []")
            except Error as error:
                # The audio recorder's frame is removed when the page reruns.
                if "detached" not in error.message:
                    raise
        return found

    def expect_no_errors(self) -> None:
        """Expect no console error and no CSP violation."""
        found = [*self.errors, *self.violations]
        assert found == [], found[:5]

    def expect_no_injection(self) -> None:
        """Expect that no script ran and that no element can load, run or disguise anything."""
        assert self.dialogs == []
        assert self.page.evaluate("window.__xss") is None
        assert self.page.title() in {"Parley", "History", "Shared conversation"}
        assert self.page.evaluate(_FOREIGN) == []
