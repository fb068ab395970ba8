"""Checks of one import: tokens and sizes are determined again, and what it stores is bounded.

An import file is untrusted: nothing that limits depend on is taken from it.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.domain.attachment import Attachment, FileKind
from chat.domain.sizes import human_size
from chat.domain.token_estimate import TokenCount
from chat.errors import StorageFull
from chat.formats.attachment_check import CheckedFile, ImageSize, check_attachment
from chat.formats.conversation import PortableConversation
from chat.formats.merge import Addition

MAX_READ_BYTES = 4 * 2**30  # of contents: a small file can refer to a large one often
# The text of a document and the stored copy of an image may be larger than the original.
MAX_DERIVED_BYTES = 8_000_000


class ImportChecks:
    """The state of one import.

    `count` counts the tokens of a text and `image_size` measures a valid image; both may be slow.
    `room` is the number of bytes that the owner may still store, of `limit` in total; None means
    no limit. `stored` maps attachments of the file to those that can be stored, or to None.
    """

    def __init__(
        self,
        count: Callable[[str], TokenCount],
        image_size: ImageSize,
        *,
        max_file_bytes: int,
        room: int | None = None,
        limit: int = 0,
    ) -> None:
        self.count = count
        self.stored: dict[Attachment, Attachment | None] = {}
        self._image_size, self._max_file_bytes = image_size, max_file_bytes
        self.room, self._limit, self._bytes_left = room, limit, MAX_READ_BYTES

    @property
    def max_content_bytes(self) -> int:
        """The size up to which a content has to be read."""
        return max(self._max_file_bytes, MAX_DERIVED_BYTES)

    def check(self, file: Attachment, portable: PortableConversation) -> CheckedFile | None:
        """Return the attachment with corrected metadata, or None if it has to be left out."""
        checked = check_attachment(
            file,
            lambda sha256: self._read(portable, sha256),
            count=self.count,
            image_size=self._image_size,
        )
        if checked is None or file.kind is FileKind.IMAGE:
            return checked
        return checked if checked.attachment.size <= self._max_file_bytes else None

    def reserve(self, size: int) -> None:
        """Take `size` bytes of what the owner may store. Raises `StorageFull`."""
        if self.room is None:
            return
        if size > self.room:
            raise StorageFull(human_size(self._limit))
        self.room -= size

    def _read(self, portable: PortableConversation, sha256: str) -> bytes | None:
        if self._bytes_left <= 0:
            return None
        data = portable.content(sha256)
        if data is None or len(data) > self.max_content_bytes:
            return None
        self._bytes_left -= len(data)
        return data


def text_bytes(addition: Addition) -> int:
    """Return the size of a message's texts as stored."""
    message = addition.node.message
    return sum(len(text.encode("utf-8", "replace")) for text in (message.text, message.reasoning))
