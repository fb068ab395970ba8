"""What is asked for at the wrong moment, by the wrong person, or not at all."""

from __future__ import annotations

from datetime import datetime

from chat.errors.base import Refused


class EmptyMessage(Refused):
    code = "empty_message"
    sentence = "There is nothing to send yet: the message is empty."


class MessageTooLong(Refused):
    code = "message_too_long"

    def __init__(self, tokens: int, limit: int, *, is_exact: bool) -> None:
        about = "" if is_exact else "about "
        super().__init__(
            f"This message has {about}{tokens:,} tokens; at most {limit:,} can be sent. "
            "It is kept below: shorten it and send it again."
        )


class ReplyRunning(Refused):
    code = "reply_running"
    sentence = "A reply is still being written here. Wait for it or stop it, then go on."


class NothingToAnswer(Refused):
    code = "nothing_to_answer"
    sentence = "There is no question left to answer here. Undo the deletion or ask again."


class ImportRunning(Refused):
    code = "import_running"
    sentence = "An import of yours is still running. Wait for its end or cancel it, then go on."


class ImportsBusy(Refused):
    code = "imports_busy"
    sentence = "Many imports are waiting for their turn already. Try again in a few minutes."


class KeyChecksBusy(Refused):
    code = "keys_busy"
    sentence = (
        "Many keys are being tried just now, so the models of yours were not asked for. The "
        "well-known ones can be used already; for the others try again in a minute."
    )


class BackupRunning(Refused):
    code = "backup_running"
    sentence = "A backup is being made already. Wait for its end, then go on."


class BackupTooLarge(Refused):
    code = "backup_too_large"

    def __init__(self, size: str = "…", limit: str = "…") -> None:
        super().__init__(
            f"The database holds {size}; at most {limit} can be downloaded from here. Make the "
            "backup on the machine that Parley runs on, with: python -m chat backup FILE"
        )


class RestoreRefused(Refused):
    code = "restore_refused"
    sentence = "This file is no backup of Parley, or it is damaged. Nothing was changed."


class NotAllowed(Refused):
    code = "not_allowed"
    sentence = (
        "This account may not be used here. Sign in with another one, "
        "or ask whoever runs this installation to allow its e-mail address."
    )


class SignInExpired(Refused):
    code = "sign_in_over"
    sentence = "This sign-in has ended. Please sign in again."


class WrongCode(Refused):
    code = "wrong_code"
    sentence = "This is not the access code. Check it and try again."


class LockedOut(Refused):
    """`until`: when the next code is looked at."""

    code = "locked_out"

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(f"There were too many wrong access codes. Try again at {until:%H:%M} UTC.")
