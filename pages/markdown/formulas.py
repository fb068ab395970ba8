"""Rules that distinguish formulas from prices in text with dollar signs.

`$…$` follows pandoc's rule and must not look like a price. This module must not know block
structure or how a formula is written for the frontend.
"""

import re

# Formulas do not contain these; the frontend's own parser could find other Markdown there.
NO_FORMULA = re.compile(r"`|\]\(|!\[|:[^\W_][\w-]*[\[{]")
PRICE = re.compile(r"[\d.,]+\s?(?:[^\W\d_]{2,}|\D.*[^\W\d_]{2,}|[^\s\d]*[-–—/,;:(+&]$)", re.DOTALL)
FORMULA = re.compile(r"[\\^_{}=]")
VARIABLE = re.compile(r".*[/:,;.\"'(\[|&-]$", re.DOTALL)


def is_math(body: str) -> bool:
    """Return whether `body` holds no other Markdown, in case the frontend finds no formula here."""
    return not NO_FORMULA.search(body) and "$" not in (body[0], body[-1])


def is_formula(text: str, body: str, start: int, end: int) -> bool:
    """Return whether `$body$` is a formula and not a price.

    `start` and `end` are the indices of the two dollar signs in `text`.
    """
    before, after = text[start - 1 : start], text[end + 1 : end + 2]
    if body[0].isspace() or body[-1].isspace() or after in ("$", "{") or after.isdigit():
        return False
    if before.isalnum() and body[0].isdigit():
        return False
    if after.isalpha() and VARIABLE.match(body):
        return False
    return is_math(body) and (bool(FORMULA.search(body)) or not PRICE.match(body))
