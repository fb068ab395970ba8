"""Show why the microphone is unavailable: no HTTPS, no permission, or no device.

Only the browser knows. While the reason is shown the recorder is disabled.
"""

from __future__ import annotations

from pages.components import browser_component

_CSS = "span { font: 0.875rem var(--st-font); color: var(--st-text-color); opacity: 0.8; }"

_microphone = browser_component.declare("microphone_permission", html="<span></span>", css=_CSS)


def draw() -> None:
    """Render the reason, or nothing if the microphone can be used."""
    _microphone(key="microphone", height="content", width="content")
