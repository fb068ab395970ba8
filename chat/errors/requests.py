"""Requests that are invalid, come at the wrong moment, or are not permitted."""

from __future__ import annotations

from datetime import datetime

from chat.errors.base import Refused


class EmptyMessage(Refused):
    code = "empty_message"
    sentence = "The message is empty. Enter some text or attach a file."


class MessageTooLong(Refused):
    code = "message_too_long"
    sentence = (
        "This message has {tokens} tokens; the limit is {limit:,}. "
        "Your text is still in the box: shorten it and send it again."
    )

    def __init__(self, tokens: int, limit: int, *, is_exact: bool) -> None:
        about = "" if is_exact else "about "
        super().__init__(tokens=f"{about}{tokens:,}", limit=limit)


class ReplyRunning(Refused):
    code = "reply_running"
    sentence = "A reply is still being written here. Wait for it to finish, or stop it."


class NothingToAnswer(Refused):
    code = "nothing_to_answer"
    sentence = "There is no question to answer here. Undo the deletion, or ask again."


class ImportRunning(Refused):
    code = "import_running"
    sentence = "Your last import is still running. Wait for it to finish, or cancel it."


class ImportsBusy(Refused):
    code = "imports_busy"
    sentence = "Many imports are waiting already. Try again in a few minutes."


class KeyChecksBusy(Refused):
    code = "keys_busy"
    sentence = (
        "Many keys are being checked right now, so the models of your key were not listed. "
        "The well-known models are available already; try again in a minute for the others."
    )


class BackupRunning(Refused):
    code = "backup_running"
    sentence = "A backup is already running. Wait for it to finish."


class ExportRunning(Refused):
    code = "export_running"
    sentence = "An export is already running. Wait for it to finish."


class RestoreRefused(Refused):
    code = "restore_refused"
    sentence = "This file is not a backup of Parley, or it is damaged. Nothing was changed."


class NotAllowed(Refused):
    code = "not_allowed"
    sentence = (
        "This account is not allowed to use Parley here. Sign in with another account, "
        "or ask the administrator to allow your e-mail address."
    )


class SignInExpired(Refused):
    code = "sign_in_over"
    sentence = "Your sign-in has expired. Please sign in again."


class WrongCode(Refused):
    code = "wrong_code"
    sentence = "The access code is wrong. Check it and try again."


class LockedOut(Refused):
    """Too many wrong access codes. `until` is when the next attempt is accepted."""

    code = "locked_out"
    sentence = "There were too many wrong access codes. Try again at {until:%H:%M} UTC."

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(until=until)
