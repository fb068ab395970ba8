"""Price attached files in tokens and cut them to the remaining room.

Reading the files is the only I/O and happens in `FileReader`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace

from cachetools import LRUCache, cached

from chat.attachments.file_names import clean_name
from chat.attachments.file_types import is_audio
from chat.attachments.reader_slots import OnWait
from chat.attachments.reading import FileReader, ParsedFile
from chat.config.settings import Settings
from chat.domain.attachment import File, FileCost, FileKind, NewAttachment
from chat.domain.document_fencing import fence_document, truncate_document
from chat.domain.token_estimate import TokenCount
from chat.errors import FileTooLong, ImageTooLong, ParleyError, TooManyFiles
from chat.providers.tokenizer import Tokenizer

PIXELS_PER_TOKEN = 750  # providers differ; this is the most expensive common formula
MIN_IMAGE_TOKENS = 85
MIN_PARTIAL_TOKENS = 50  # a shorter beginning of a file is not worth sending
_MAX_CACHED_COUNTS = 100
_EXCERPT_LENGTH, _MAX_SEARCHED = 60, 100_000  # characters
_MAX_CHARACTERS_PER_TOKEN = 20


def image_tokens(width: int, height: int) -> int:
    """Return the estimated tokens of an image of that many pixels."""
    return max(MIN_IMAGE_TOKENS, math.ceil(width * height / PIXELS_PER_TOKEN))


class AttachmentPricer:
    """Token prices of files before a message is sent, and their preparation for storage.

    Thread-safe.
    """

    def __init__(self, settings: Settings, tokenizer: Tokenizer, reader: FileReader) -> None:
        self._settings, self._tokenizer, self._reader = settings, tokenizer, reader
        self._count_text = cached(
            LRUCache[tuple[str, int, bool], TokenCount](_MAX_CACHED_COUNTS),
            key=self._count_key,
            lock=threading.Lock(),
        )(self._uncached_count)

    def price(
        self, files: Sequence[File], room: int, owner: str, on_wait: OnWait = lambda: None
    ) -> tuple[FileCost, ...]:
        """Return the price of each file, or the error message that explains its refusal.

        `on_wait` is called while the files of others are read first, and may raise to stop it.
        Files that exceed what is left of `room` tokens have `is_too_long` set.
        """
        prices = [self._price(file, owner, on_wait) for file in files]
        room -= sum(price.tokens for price in prices if price.kind is FileKind.IMAGE)
        checked = []
        for price in prices:
            is_image = price.kind is FileKind.IMAGE
            is_too_long = room < 0 if is_image else price.tokens > room
            checked.append(replace(price, is_too_long=is_too_long and bool(price.tokens)))
            if not (is_image or is_too_long):
                room -= price.tokens
        return tuple(checked)

    def attach(
        self,
        files: Sequence[File],
        room: int,
        owner: str,
        *,
        kept: int = 0,
        may_truncate: bool = False,
    ) -> tuple[NewAttachment, ...]:
        """Return the files ready to be stored, at most `room` tokens in total.

        `kept` is the number of files taken over from an older version of the message; it counts
        towards the limit. With `may_truncate`, a text that does not fit is cut to its beginning.
        Raises `TooManyFiles` or a `FileRefused`.
        """
        if len(files) + kept > self._settings.max_files:
            raise TooManyFiles(len(files) + kept, self._settings.max_files)
        parsed_files = [self._reader.read(file, owner) for file in files]
        counts = [self._count(parsed) for parsed in parsed_files]
        # Images come first because they cannot be cut.
        room -= sum(
            count.tokens
            for parsed, count in zip(parsed_files, counts, strict=True)
            if parsed.kind is FileKind.IMAGE
        )
        attached = []
        for file, parsed, count in zip(files, parsed_files, counts, strict=True):
            new = _attachment(file, parsed, count)
            if parsed.kind is FileKind.IMAGE:
                if room < 0:
                    image_room = max(0, room + count.tokens)
                    raise ImageTooLong(parsed.name, tokens=count.tokens, room=image_room)
            else:
                if count.tokens > room:
                    new = self._cut(file, parsed, count, room, may_truncate=may_truncate)
                room -= new.tokens
            attached.append(new)
        return tuple(attached)

    def _price(self, file: File, owner: str, on_wait: OnWait) -> FileCost:
        name = clean_name(file.name)
        if is_audio(file.name, file.data):
            return FileCost(name, len(file.data), is_audio=True)
        try:
            parsed = self._reader.read(file, owner, on_wait)
        except ParleyError as error:
            return FileCost(name, len(file.data), problem=error.sentence)
        count = self._count(parsed)
        return FileCost(
            name,
            len(file.data),
            kind=parsed.kind,
            details=parsed.details,
            tokens=count.tokens,
            is_exact=count.is_exact,
            encoding=parsed.encoding,
            excerpt=_excerpt(parsed.text) if parsed.encoding else "",
        )

    def _count(self, parsed: ParsedFile) -> TokenCount:
        if parsed.kind is FileKind.IMAGE:
            return TokenCount(image_tokens(parsed.width, parsed.height), is_exact=False)
        return self._count_text(parsed)

    def _count_key(self, parsed: ParsedFile) -> tuple[str, int, bool]:
        return parsed.name, hash(parsed.text), self._tokenizer.is_exact

    def _uncached_count(self, parsed: ParsedFile) -> TokenCount:
        return self._tokenizer.count(fence_document(parsed.name, parsed.details, parsed.text))

    def _cut(
        self, file: File, parsed: ParsedFile, count: TokenCount, room: int, *, may_truncate: bool
    ) -> NewAttachment:
        """Return the file cut to its beginning. Raises `FileTooLong` if it may not be cut."""

        def cost(text: str) -> int:
            return self._tokenizer.count(fence_document(parsed.name, parsed.details, text)).tokens

        # Leave a quarter for follow-up questions: the file is sent again with each of them.
        target = room - room // 4
        # Bound the text that the binary search has to count.
        text = parsed.text[: max(0, target) * _MAX_CHARACTERS_PER_TOKEN]
        text = (
            truncate_document(text, cost, target)
            if may_truncate and target >= MIN_PARTIAL_TOKENS
            else ""
        )
        if not text:
            raise FileTooLong(parsed.name, tokens=count.tokens, room=max(0, room))
        return _attachment(
            file, parsed, TokenCount(cost(text), count.is_exact), text=text, is_partial=True
        )


def _excerpt(text: str) -> str:
    """Return the beginning of the first line with characters that depend on the encoding."""
    lines = (line for line in text[:_MAX_SEARCHED].splitlines() if not line.isascii())
    return " ".join(next(lines, "").split())[:_EXCERPT_LENGTH]


def _attachment(
    file: File,
    parsed: ParsedFile,
    count: TokenCount,
    *,
    text: str | None = None,
    is_partial: bool = False,
) -> NewAttachment:
    return NewAttachment(
        name=parsed.name,
        kind=parsed.kind,
        media_type=parsed.media_type,
        size=len(file.data),
        details=parsed.details,
        tokens=count.tokens,
        is_exact=count.is_exact,
        data=parsed.content,
        text=parsed.text if text is None else text,
        preview=parsed.preview,
        is_partial=is_partial,
    )
