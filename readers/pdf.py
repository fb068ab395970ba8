"""Reader for PDF: the text of the pages, within limits of time and length."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, LimitReachedError

from readers.errors import ReaderError
from readers.text_decoding import MAX_CHARACTERS, truncate

_SECONDS = 12.0  # of CPU time


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the text in UTF-8; every page but the first follows a line such as "[Page 2]".

    Header: `pages`, `pages_read` of them, `pages_damaged` of those, `is_cut`. Reading ends after
    `options["seconds"]` with the pages read until then.
    """
    room = max_characters = options.get("characters", MAX_CHARACTERS)
    deadline = time.process_time() + options.get("seconds", _SECONDS)
    texts: list[str] = []
    damaged, is_blank = 0, True
    try:
        pages = _open(data).pages
        for number, page in enumerate(pages, 1):
            page_text = _page_text(page)
            damaged += page_text is None
            is_blank = is_blank and not page_text
            page_text = page_text or ""
            texts.append(page_text if number == 1 else f"[Page {number}]\n\n{page_text}")
            room -= len(texts[-1])
            if room < 0 or time.process_time() > deadline:
                break
        header = {"pages": len(pages), "pages_read": len(texts), "pages_damaged": damaged}
    except LimitReachedError as error:
        raise ReaderError("too_complex") from error
    if is_blank:
        raise ReaderError("unreadable" if damaged else "no_text")
    text = "\n\n".join(texts).strip()
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


def _page_text(page: PageObject) -> str | None:
    """Return the text of a page, or None if it is damaged. Other pages may be readable."""
    try:
        return page.extract_text().replace("\0", "").strip()
    except (LimitReachedError, MemoryError, RecursionError):
        raise
    except Exception:  # pypdf raises many types on damaged files
        return None
