"""Reader for PDF: the text of the pages, within limits of time and length."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeVar

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, LimitReachedError

from readers.errors import ReaderError
from readers.pdf_extras import PictureCounter, annotation_lines, xfa_lines
from readers.text_decoding import MAX_CHARACTERS, truncate

_SECONDS = 12.0  # of CPU time
_BLANK = "[This page has no text that can be read.]"
T = TypeVar("T")


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the text in UTF-8; every page but the first follows a line such as "[Page 2]".

    Form values and comments follow the text of their page. Header: `pages`, `pages_read` of them,
    `pages_damaged` and `pages_blank` (without text) of those, `is_cut`, `left_out`. Reading ends
    after `options["seconds"]` with the pages read until then.
    """
    room = max_characters = options.get("characters", MAX_CHARACTERS)
    deadline = time.process_time() + options.get("seconds", _SECONDS)
    texts: list[str] = []
    damaged = blank = 0
    pictures = PictureCounter()
    try:
        document = _open(data)
        pages = document.pages
        for number, page in enumerate(pages, 1):
            page_text = _page_text(page, pictures)
            damaged += page_text is None
            blank += page_text == ""
            texts.append(page_text or ("" if page_text is None else _BLANK))
            if number > 1:
                texts[-1] = f"[Page {number}]\n\n{texts[-1]}"
            room -= len(texts[-1])
            if room < 0 or time.process_time() > deadline:
                break
        values = (
            []
            if "[Form field]" in "".join(texts)
            else _unless_damaged(lambda: xfa_lines(document)) or []
        )
        header = {
            "pages": len(pages),
            "pages_read": len(texts),
            "pages_damaged": damaged,
            "pages_blank": blank,
            "left_out": {
                "pictures": pictures.count,
                "embedded_files": _unless_damaged(lambda: _embedded_files(document)) or 0,
            },
        }
    except LimitReachedError as error:
        raise ReaderError("too_complex") from error
    if damaged + blank == len(texts) and not values:
        raise ReaderError("unreadable" if damaged else "no_text")
    text = "\n\n".join((*texts, *values)).strip()
    kept = truncate(text, max_characters)
    return header | {"is_cut": kept != text}, kept.encode(errors="replace")


def _open(data: bytes) -> PdfReader:
    try:
        document = PdfReader(BytesIO(data))
        if document.is_encrypted and not document.decrypt(""):
            raise ReaderError("encrypted")
    except (DependencyError, NotImplementedError) as error:  # unsupported encryption
        raise ReaderError("encrypted") from error
    return document


def _page_text(page: PageObject, pictures: PictureCounter) -> str | None:
    """Return the text of a page, or None if it is damaged. Other pages may be readable."""
    text = _unless_damaged(lambda: page.extract_text().replace("\0", "").strip())
    if text is None:
        return None
    _unless_damaged(lambda: pictures.add(page))
    lines = _unless_damaged(lambda: annotation_lines(page)) or []
    return "\n\n".join(filter(None, (text, "\n".join(lines))))


def _embedded_files(document: PdfReader) -> int:
    return sum(1 for _ in document.attachment_list)


def _unless_damaged(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (LimitReachedError, MemoryError, RecursionError):
        raise
    except Exception:  # pypdf raises many types on damaged files
        return None
