"""Reader for delimited text: commas, semicolons, tabs or vertical bars."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from readers.errors import ReaderError
from readers.preview import Preview
from readers.text_decoding import MAX_CHARACTERS, decode, truncate

_DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 8_192  # csv.Sniffer is slow on more


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the text in UTF-8, unchanged.

    Header: `rows` without the first, `rows_read` of them, `is_cut`, `preview`, `encoding` if it
    was guessed. `options["delimiter"]` and `options["encoding"]` override what is detected.
    """
    decoded = decode(data, options.get("encoding", ""))
    text = decoded.text
    if not text.strip():
        raise ReaderError("no_text")
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    delimiter = options.get("delimiter") or _detect_delimiter(text)
    preview = Preview()
    preview.start_sheet("")
    for row in _rows(text, delimiter):
        preview.add_row(row)
    rows = preview.rows_total
    rows_read = rows if kept == text else max(0, sum(1 for _ in _rows(kept, delimiter)) - 1)
    header = {
        "rows": rows,
        "rows_read": rows_read,
        "is_cut": kept != text,
        "preview": preview.to_json(),
        "encoding": decoded.encoding,
    }
    return header, kept.encode(errors="replace")


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(len(text) + 1)
    return (row for row in csv.reader(StringIO(text), delimiter=delimiter) if row)


def _detect_delimiter(text: str) -> str:
    sample = truncate(text, _SAMPLE_CHARACTERS)
    try:
        return csv.Sniffer().sniff(sample, _DELIMITERS).delimiter
    except csv.Error:
        first_line = sample.partition("\n")[0]
        return max(_DELIMITERS, key=first_line.count)
