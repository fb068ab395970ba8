"""The base class of all errors, and errors that belong to no other module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

from chat.observability.redaction import redact


class ParleyError(Exception):
    """Base class of every error that users can see.

    `code` identifies the error in the database, in logs and in metrics; a released code never
    changes. `sentence` is the text for the user. In a class it may contain replacement fields,
    which the constructor fills from `values`.
    """

    code: ClassVar[str] = "error"
    sentence: str = "Something went wrong. Nothing was lost. Please try again."
    is_billed: ClassVar[bool] = True  # False: the provider charges nothing if no text was received

    def __init__(self, sentence: str | None = None, *, details: str = "", **values: object) -> None:
        self.sentence = sentence or type(self).sentence.format(**values)
        self.details = redact(details)
        super().__init__(self.sentence)

    @classmethod
    def kinds(cls) -> Iterator[type[Self]]:
        """Yield this class and all its subclasses."""
        yield cls
        for child in cls.__subclasses__():
            yield from child.kinds()

    @classmethod
    def codes(cls) -> frozenset[str]:
        """Return the codes of this class and all its subclasses."""
        return frozenset(kind.code for kind in cls.kinds())


def is_billed(code: str) -> bool:
    """Return whether a provider may charge for a call that failed with `code` before any text."""
    return all(kind.is_billed for kind in ParleyError.kinds() if kind.code == code)


class NotFound(ParleyError):
    code = "not_found"
    sentence = "This conversation or message does not exist or was deleted."


class TemporaryConversationExpired(NotFound):
    code = "temporary_gone"
    sentence = (
        "This temporary conversation has expired. Parley keeps temporary conversations in memory "
        "for one day and discards them when it restarts."
    )


class Refused(ParleyError):
    """The request is invalid or comes at the wrong moment. No provider was called."""

    code = "refused"


class StoreFailed(ParleyError):
    code = "store_failed"
    sentence = (
        "The database cannot be read or written right now. Nothing was lost. "
        "Try again in a moment. If the problem persists, check the disk and the database."
    )


class NotStoredYet(StoreFailed):
    """The end of a reply could not be stored. The runner retries."""

    code = "not_stored_yet"
    sentence = (
        "This reply is complete but could not be saved yet. Parley retries for one hour, so keep "
        "it running."
    )


class BackupFailed(ParleyError):
    code = "backup_failed"
    sentence = (
        "The backup could not be written. Nothing was changed. "
        "Check the disk and the database, then try again."
    )


class FileNotWritten(ParleyError):
    code = "file_not_written"
    sentence = "The file could not be written. Check the disk space of the server, then try again."


class FileDiscarded(ParleyError):
    code = "file_discarded"
    sentence = "The export was stopped because a conversation was deleted. Start it again."


class ServiceClosed(ParleyError):
    code = "service_closed"
    sentence = "Parley is shutting down. Reload the page in a moment."
    is_billed = False


class SettingsError(ParleyError):
    """The configuration is invalid. `problems` holds one sentence per problem.

    Everyone who opens a page sees them: what looks like a key is removed, because a key may have
    been pasted into another setting.
    """

    code = "settings"
    sentence = "The configuration needs attention: {problems}"

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(map(redact, problems))
        super().__init__(problems="; ".join(self.problems))


class DatabaseUnavailable(SettingsError):
    """The database cannot be opened now, but may later, with the same configuration."""

    code = "database_unavailable"
    sentence = "Parley cannot open its database: {problems}"
