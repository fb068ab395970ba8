"""Filter for Mermaid diagrams that could make the browser send requests.

The frontend renders ```` ```mermaid ```` fences and loads the images, icons and style sheets that a
diagram references. A diagram that could reference one is shown as source code instead. This module
must not know the text around a diagram.
"""

import re
from html import unescape

URL = re.compile(r"//|\b(?:https?|ftp|wss?):", re.IGNORECASE)
RESOURCE = re.compile(r"""\b(?:img|icon)["']?\s*:|url\(|image-set\(|@import""", re.IGNORECASE)
ESCAPE = re.compile(r"\\(?!n)")  # \n is a line break in a label; other escapes could hide a URL
TAG = re.compile(r"<(?!/?(?:br|b|i|u|em|strong|small|sub|sup|code)\s*/?>)[a-z/!?]", re.IGNORECASE)
STEREOTYPE = re.compile(r"<<\w+>>")  # of a class, e.g. <<interface>>
ENTITY = re.compile(r"#(?:(\d+)|(\w+));")


def is_diagram(info: str) -> bool:
    """Return whether the frontend may render a fence with this info string as a diagram."""
    return "mermaid" in unescape(info).casefold()


def is_safe_diagram(source: str) -> bool:
    """Return whether a diagram contains no URL, image, icon, style sheet or unsafe HTML tag."""
    source = STEREOTYPE.sub("", source)
    # Mermaid's own character references look like `#60;` and `#lt;`.
    decoded = ENTITY.sub(lambda found: f"&#{found[1]};" if found[1] else f"&{found[2]};", source)
    decoded = unescape(unescape(decoded))
    compact = re.sub(r"[\s\0-\x1f]+", "", decoded)  # URL parsers ignore whitespace
    return not (
        any(
            pattern.search(text)
            for pattern in (URL, RESOURCE)
            for text in (source, decoded, compact)
        )
        or any(pattern.search(text) for pattern in (ESCAPE, TAG) for text in (source, decoded))
    )
