"""A look at the directory of a zip before anything in it is decompressed."""

from __future__ import annotations

from io import BytesIO
from zipfile import BadZipFile, ZipFile

from readers.problems import Problem

_MOST_BYTES = 100_000_000  # of all entries, decompressed
_MOST_ENTRIES = 5_000
_MOST_RATIO = 300  # of decompressed to compressed, for what is not small anyway
_SMALL = 10_000_000
_IS_ENCRYPTED = 0x1


def check_archive(data: bytes) -> None:
    """Raises Problem when it is damaged, encrypted, or declares more than anybody reads.

    Declared sizes may be lies: the memory of the process is bounded too.
    """
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except BadZipFile as error:
        raise Problem("unreadable") from error
    if any(entry.flag_bits & _IS_ENCRYPTED for entry in entries):
        raise Problem("encrypted")
    size = sum(entry.file_size for entry in entries)
    is_dense = size > _SMALL and size > _MOST_RATIO * len(data)
    if len(entries) > _MOST_ENTRIES or size > _MOST_BYTES or is_dense:
        raise Problem("too_complex")
