"""What is a formula and what is money, where a text has dollars.

pandoc's rule for `$…$`, and it must not read as a price. This module must know neither lines nor
how a formula is written for the frontend.
"""

import re

# No formula holds these, and the frontend, which looks for formulas on its own, might not see one.
NO_FORMULA = re.compile(r"`|\]\(|!\[|:[^\W_][\w-]*[\[{]")
PRICE = re.compile(r"[\d.,]+\s?(?:[^\W\d_]{2,}|\D.*[^\W\d_]{2,}|[^\s\d]*[-–—/,;:(+&]$)", re.DOTALL)
FORMULA = re.compile(r"[\\^_{}=]")
VARIABLE = re.compile(r".*[/:,;.\"'(\[|&-]$", re.DOTALL)


def is_math(body: str) -> bool:
    """Whether nothing in it would mean something else, should the frontend see no formula here."""
    return not NO_FORMULA.search(body) and "$" not in (body[0], body[-1])


def is_formula(text: str, body: str, at: int, stop: int) -> bool:
    """Whether `$body$`, the dollars at `at` and `stop` of `text`, is a formula and no money."""
    before, after = text[at - 1 : at], text[stop + 1 : stop + 2]
    if body[0].isspace() or body[-1].isspace() or after in ("$", "{") or after.isdigit():
        return False
    if before.isalnum() and body[0].isdigit():
        return False
    if after.isalpha() and VARIABLE.match(body):
        return False
    return is_math(body) and (bool(FORMULA.search(body)) or not PRICE.match(body))
