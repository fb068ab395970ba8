"""What every error has in common, and those that fit nowhere else."""

from __future__ import annotations

from chat.observability.redaction import redact


class ParleyError(Exception):
    code = "error"
    sentence = "Something went wrong. Nothing of yours was lost; please try again."

    def __init__(self, sentence: str | None = None, *, details: str = "") -> None:
        self.sentence = sentence or self.sentence
        self.details = redact(details)
        super().__init__(self.sentence)


class NotFound(ParleyError):
    code = "not_found"
    sentence = "This conversation or message does not exist (any more)."


class TemporaryConversationExpired(NotFound):
    code = "temporary_gone"
    sentence = (
        "This temporary conversation is not here any more. One process of Parley keeps it in its "
        "memory for a day, and forgets it when it is restarted."
    )


class Refused(ParleyError):
    code = "refused"


class StoreFailed(ParleyError):
    code = "store_failed"
    sentence = (
        "The history cannot be read or written right now. Nothing was lost: "
        "try again in a moment. If it stays, look at the disk and the database."
    )


class NotStoredYet(StoreFailed):
    code = "not_stored_yet"
    sentence = (
        "This reply is complete, but the database does not take it yet. Parley keeps trying for an "
        "hour: leave it running."
    )


class BackupFailed(ParleyError):
    code = "backup_failed"
    sentence = (
        "The backup could not be written. Nothing was changed: look at the disk and the database, "
        "then try again."
    )


class ServiceClosed(ParleyError):
    code = "service_closed"
    sentence = "Parley is being shut down. Load the page again in a moment."


class SettingsError(ParleyError):
    code = "settings"

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The configuration needs attention: " + "; ".join(problems))
