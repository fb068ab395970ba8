"""Tables as text, separated by commas, semicolons, tabs or bars: sent as they are."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from readers.preview import Preview
from readers.problems import Problem
from readers.texts import MOST_CHARACTERS, cut, decode

_DELIMITERS = ",;\t|"
_SAMPLE = 8_192  # characters; the sniffer is slow on more


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Header: `rows` below the first, `rows_read` of them, `is_cut`, `preview`. Content: the text.

    `options["delimiter"]` is used instead of a guess.
    """
    text = decode(data)
    if not text.strip():
        raise Problem("no_text")
    kept = cut(text, options.get("characters", MOST_CHARACTERS))
    delimiter = options.get("delimiter") or _delimiter(text)
    preview = Preview()
    preview.begin("")
    for row in _rows(text, delimiter):
        preview.add(row)
    rows = preview.rows_total
    rows_read = rows if kept == text else max(0, sum(1 for _ in _rows(kept, delimiter)) - 1)
    header = {"rows": rows, "rows_read": rows_read, "is_cut": kept != text}
    return header | {"preview": preview.as_json()}, kept.encode()


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(len(text) + 1)
    return (row for row in csv.reader(StringIO(text), delimiter=delimiter) if row)


def _delimiter(text: str) -> str:
    sample = cut(text, _SAMPLE)
    try:
        return csv.Sniffer().sniff(sample, _DELIMITERS).delimiter
    except csv.Error:
        first = sample.partition("\n")[0]
        return max(_DELIMITERS, key=first.count)
