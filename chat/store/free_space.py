"""Check that a database can be written, without changing it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy import Connection, text

SPACE = 1_000_000  # bytes; a message with its index entries is far smaller


def require_writable(connection: Connection) -> None:
    """Raise `OSError` if the database is read-only or its disk is full.

    A PostgreSQL server reports a full disk only when it has to write.
    """
    if connection.dialect.name == "sqlite":
        file = connection.execute(text("PRAGMA database_list")).all()[0][2]
        if file:
            if not os.access(file, os.W_OK):
                raise PermissionError(errno.EROFS, "the database file is read-only")
            reserve_space(Path(file).parent)
    elif connection.execute(text("SHOW transaction_read_only")).scalar() == "on":
        raise PermissionError(errno.EROFS, "the server accepts no writes")


def reserve_space(folder: Path) -> None:
    """Reserve space in a file without a name and release it. Raises `OSError`."""
    with TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, SPACE)
        else:
            file.write(bytes(SPACE))
            file.flush()
