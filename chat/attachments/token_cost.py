"""Attached files between reading and storing: what each costs, whether it fits, what is sent of it.

Pure but for the reading itself, which `chat.attachments` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from chat.attachments.file_names import clean_name
from chat.attachments.file_types import is_audio
from chat.attachments.reading import FileReader, ParsedFile
from chat.config.settings import Settings
from chat.domain.attachment import File, FileCost, FileKind, NewAttachment
from chat.domain.document_fencing import fence_document, truncate_document
from chat.domain.token_estimate import TokenCount
from chat.errors import FileTooLong, ImageTooLong, ParleyError, TooManyFiles
from chat.providers.tokenizer import Tokenizer

PIXELS_PER_TOKEN = 750  # providers differ; this is the dearest of the usual ways to count
LEAST_TOKENS_OF_A_PICTURE = 85
KEPT_COUNTS = 100
LEAST_BEGINNING = 50  # tokens; less of a file is not worth sending


class AttachmentPricer:
    def __init__(self, settings: Settings, counter: Tokenizer) -> None:
        self._settings, self._counter = settings, counter
        self._files = FileReader(settings)
        self._counts: dict[tuple[str, int, bool], TokenCount] = {}  # the latest last

    def price(self, files: Sequence[File], room: int) -> tuple[FileCost, ...]:
        """What each file would cost, or the sentence that says why it cannot be sent."""
        prices = [self._price(file) for file in files]
        room -= sum(price.tokens for price in prices if price.kind is FileKind.IMAGE)
        judged = []
        for price in prices:
            is_image = price.kind is FileKind.IMAGE
            is_too_long = room < 0 if is_image else price.tokens > room
            judged.append(replace(price, is_too_long=is_too_long and bool(price.tokens)))
            if not (is_image or is_too_long):
                room -= price.tokens
        return tuple(judged)

    def attach(
        self, files: Sequence[File], room: int, *, kept: int = 0, may_truncate: bool = False
    ) -> tuple[NewAttachment, ...]:
        """The files ready to be stored, `room` tokens of them at most.

        `kept` files of an older version come with them. Of one that does not fit the beginning is
        taken if it `may_truncate`. Raises `TooManyFiles` or a `FileRefused`.
        """
        if len(files) + kept > self._settings.max_files:
            raise TooManyFiles(len(files) + kept, self._settings.max_files)
        parsed_files = [self._files.read(file) for file in files]
        counts = [self._count(parsed) for parsed in parsed_files]
        # What cannot be cut is counted first.
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
                    rest = max(0, room + count.tokens)
                    raise ImageTooLong(parsed.name, tokens=count.tokens, room=rest)
            else:
                if count.tokens > room:
                    new = self._cut(file, parsed, count, room, may_truncate=may_truncate)
                room -= new.tokens
            attached.append(new)
        return tuple(attached)

    def _price(self, file: File) -> FileCost:
        name = clean_name(file.name)
        if is_audio(file.name, file.data):
            return FileCost(name, len(file.data), is_audio=True)
        try:
            parsed = self._files.read(file)
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
        )

    def _count(self, parsed: ParsedFile) -> TokenCount:
        if parsed.kind is FileKind.IMAGE:
            tokens = math.ceil(parsed.width * parsed.height / PIXELS_PER_TOKEN)
            return TokenCount(max(LEAST_TOKENS_OF_A_PICTURE, tokens), is_exact=False)
        key = (parsed.name, hash(parsed.text), self._counter.is_exact)
        count = self._counts.pop(key, None)
        if count is None:
            count = self._counter.count(fence_document(parsed.name, parsed.details, parsed.text))
        self._counts[key] = count
        while len(self._counts) > KEPT_COUNTS:
            self._counts.pop(next(iter(self._counts)), None)
        return count

    def _cut(
        self, file: File, parsed: ParsedFile, count: TokenCount, room: int, *, may_truncate: bool
    ) -> NewAttachment:
        def costs(text: str) -> int:
            return self._counter.count(fence_document(parsed.name, parsed.details, text)).tokens

        # A quarter stays for the questions that follow: the file is sent again with each.
        wanted = room - room // 4
        # Longer texts than could ever fit need not be counted over and over.
        text = parsed.text[: max(0, wanted) * 20]
        text = (
            truncate_document(text, costs, wanted)
            if may_truncate and wanted >= LEAST_BEGINNING
            else ""
        )
        if not text:
            raise FileTooLong(parsed.name, tokens=count.tokens, room=max(0, room))
        return _attachment(
            file, parsed, TokenCount(costs(text), count.is_exact), text=text, is_partial=True
        )


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
