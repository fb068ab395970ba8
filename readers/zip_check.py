"""Check the directory of a zip file before decompressing any entry."""

from __future__ import annotations

from io import BytesIO
from zipfile import BadZipFile, ZipFile

from readers.errors import ReaderError

_MAX_BYTES = 100_000_000  # of all entries, decompressed
_MAX_ENTRIES = 5_000
_MAX_RATIO = 300  # decompressed to compressed, for archives above _SMALL
_SMALL = 10_000_000
_ENCRYPTED_FLAG = 0x1


def check_zip(data: bytes) -> None:
    """Raise `ReaderError` if the archive is damaged, encrypted, or declares too much content.

    Declared sizes can be wrong; the memory limit of the process is the second line of defence.
    """
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except BadZipFile as error:
        raise ReaderError("unreadable") from error
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise ReaderError("encrypted")
    size = sum(entry.file_size for entry in entries)
    is_bomb = size > _SMALL and size > _MAX_RATIO * len(data)
    if len(entries) > _MAX_ENTRIES or size > _MAX_BYTES or is_bomb:
        raise ReaderError("too_complex")
