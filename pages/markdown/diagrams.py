"""Which diagrams may be drawn: those that make the browser ask nobody for anything.

The frontend draws a mermaid fence, and while it does so it loads what the diagram names: pictures
in nodes, icons, styles. What could name something is shown as its source instead. This module must
not know where in a text a diagram stands.
"""

import re
from html import unescape

ADDRESS = re.compile(r"//|\b(?:https?|ftp|wss?):", re.IGNORECASE)
SINK = re.compile(r"""\b(?:img|icon)["']?\s*:|url\(|image-set\(|@import""", re.IGNORECASE)
ESCAPE = re.compile(r"\\(?!n)")  # \n breaks a line in a label; all others could hide an address
TAG = re.compile(r"<(?!/?(?:br|b|i|u|em|strong|small|sub|sup|code)\s*/?>)[a-z/!?]", re.IGNORECASE)
STEREOTYPE = re.compile(r"<<\w+>>")  # of a class: <<interface>>
ENTITY = re.compile(r"#(?:(\d+)|(\w+));")


def is_diagram(info: str) -> bool:
    """Whether the frontend draws a fence with this info string; rather once too often."""
    return "mermaid" in unescape(info).casefold()


def is_harmless(source: str) -> bool:
    """Whether nothing in a diagram names an address, a picture, a style's file or a tag."""
    source = STEREOTYPE.sub("", source)
    # Mermaid writes character references as `#60;` and `#lt;`.
    decoded = ENTITY.sub(lambda found: f"&#{found[1]};" if found[1] else f"&{found[2]};", source)
    decoded = unescape(unescape(decoded))
    compact = re.sub(r"[\s\0-\x1f]+", "", decoded)  # what reads an address leaves blanks out
    return not (
        any(
            danger.search(text) for danger in (ADDRESS, SINK) for text in (source, decoded, compact)
        )
        or any(danger.search(text) for danger in (ESCAPE, TAG) for text in (source, decoded))
    )
