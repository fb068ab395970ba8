"""Reader for Jupyter notebooks: the cells and their textual outputs, as Markdown."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from readers import text as plain_text
from readers.embedded_pictures import leave_out_pictures
from readers.errors import ReaderError
from readers.html_text import html_to_text
from readers.text_decoding import MAX_CHARACTERS, decode, truncate

_ANSI = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
_FENCES = re.compile(r"`{3,}")
_TEXT_TYPES = ("text/markdown", "text/plain", "text/latex", "application/json")
_OLD_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "svg": "image/svg+xml"}
_OLD_TYPES |= {"text": "text/plain", "html": "text/html", "latex": "text/latex"}


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return Markdown in UTF-8; pictures and interactive outputs are left out.

    Header: `cells`, `cells_read` of them, `is_cut`, `left_out`. A file that is no notebook is read
    as plain text.
    """
    try:
        notebook = json.loads(decode(data).text)
        cells = notebook.get("cells") or [
            cell for sheet in notebook["worksheets"] for cell in sheet["cells"]
        ]
        language = _language(notebook.get("metadata", {}))
        left_out: Counter[str] = Counter()
        blocks = [_cell(cell, language, left_out) for cell in cells]
    except (AttributeError, KeyError, TypeError, ValueError):
        return plain_text.read(data, options)
    text = "\n\n".join(filter(None, blocks))
    if not text:
        raise ReaderError("no_text")
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    cells_read = _cells_within(blocks, len(kept))
    header = {"cells": len(cells), "cells_read": cells_read, "is_cut": kept != text}
    return header | {"left_out": dict(left_out)}, kept.encode(errors="replace")


def _cells_within(blocks: list[str], characters: int) -> int:
    """Return the number of the first cells that `characters` of the joined blocks contain."""
    end = -2
    for number, block in enumerate(blocks):
        end += len(block) + 2 if block else 0
        if end > characters:
            return number
    return len(blocks)


def _language(metadata: dict[str, Any]) -> str:
    language = metadata.get("language_info", {}).get("name") or "python"
    return language if isinstance(language, str) and language.isalnum() else ""


def _cell(cell: dict[str, Any], language: str, left_out: Counter[str]) -> str:
    text, pictures = leave_out_pictures(_cell_text(cell, language, left_out))
    left_out["pictures"] += pictures
    return text


def _cell_text(cell: dict[str, Any], language: str, left_out: Counter[str]) -> str:
    source = _joined(cell.get("source", cell.get("input", "")))
    left_out["pictures"] += len(cell.get("attachments") or {})
    if cell.get("cell_type") != "code":
        return source.strip()
    blocks = [_fenced(source, language)] if source.strip() else []
    outputs = [text for output in cell.get("outputs", []) for text in _output(output, left_out)]
    if any(map(str.strip, outputs)):
        blocks.append("Output:\n\n" + _fenced("".join(outputs), ""))
    return "\n\n".join(blocks)


def _output(output: dict[str, Any], left_out: Counter[str]) -> Iterator[str]:
    if "traceback" in output:
        yield _ANSI.sub("", "\n".join(map(str, output["traceback"]))) + "\n"
        return
    if output.get("output_type") == "stream":
        yield _ANSI.sub("", _joined(output.get("text", "")))
        return
    data = output.get("data") or {
        _OLD_TYPES[key]: output[key] for key in _OLD_TYPES if key in output
    }
    if any(kind.startswith("image/") for kind in data):
        left_out["pictures"] += 1
        yield "[picture not included]\n"
    elif found := next((kind for kind in _TEXT_TYPES if kind in data), ""):
        yield _joined(data[found]).rstrip("\n") + "\n"
    elif text := html_to_text(_joined(data.get("text/html", ""))):
        yield text + "\n"
    elif data:
        left_out["interactive_outputs"] += 1
        yield "[interactive output not included]\n"


def _joined(value: object) -> str:
    """Return a multi-line string, which notebooks may store as a list of lines."""
    if isinstance(value, list):
        return "".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def _fenced(code: str, language: str) -> str:
    longest = max((len(run.group()) for run in _FENCES.finditer(code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"
