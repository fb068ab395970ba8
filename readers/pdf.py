"""PDF: the text of its pages, as far as there is time and room for it."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, LimitReachedError

from readers.problems import Problem
from readers.texts import MOST_CHARACTERS, cut

_SECONDS = 12.0  # of processor time


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Header: `pages`, `pages_read` of them, `pages_damaged` among those, `is_cut`.

    Content: text in UTF-8, every page but the first below a line like "[Page 2]". After
    `options["seconds"]` what was read so far has to do.
    """
    room = most = options.get("characters", MOST_CHARACTERS)
    latest = time.process_time() + options.get("seconds", _SECONDS)
    texts: list[str] = []
    damaged, is_blank = 0, True
    try:
        pages = _open(data).pages
        for number, page in enumerate(pages, 1):
            text = _text(page)
            damaged += text is None
            is_blank = is_blank and not text
            texts.append(text or "" if number == 1 else f"[Page {number}]\n\n{text or ''}")
            room -= len(texts[-1])
            if room < 0 or time.process_time() > latest:
                break
        header = {"pages": len(pages), "pages_read": len(texts), "pages_damaged": damaged}
    except LimitReachedError as error:
        raise Problem("too_complex") from error
    if is_blank:
        raise Problem("unreadable" if damaged else "no_text")
    whole = "\n\n".join(texts).strip()
    kept = cut(whole, most)
    return header | {"is_cut": kept != whole}, kept.encode(errors="replace")


def _open(data: bytes) -> PdfReader:
    try:
        document = PdfReader(BytesIO(data))
        if document.is_encrypted and not document.decrypt(""):
            raise Problem("encrypted")
    except (DependencyError, NotImplementedError) as error:  # of newer ways to encrypt
        raise Problem("encrypted") from error
    return document


def _text(page: PageObject) -> str | None:
    """The text of one page; None when the page is damaged, which the others need not be."""
    try:
        return page.extract_text().replace("\0", "").strip()
    except (LimitReachedError, MemoryError, RecursionError):
        raise
    except Exception:  # damaged files make the library raise anything
        return None
