"""Every error a person can meet, with the sentence they read.

    ParleyError
    ├── NotFound            it does not exist, or it is somebody else's: one answer for both
    │   └── TemporaryGone
    ├── Refused             the person's input or the moment is wrong; nothing was called
    │   ├── EmptyMessage
    │   ├── MessageTooLong
    │   ├── ReplyRunning
    │   ├── NothingToAnswer
    │   ├── ImportRunning  ImportsBusy  KeysBusy
    │   ├── TooManyFiles
    │   ├── CannotSee       the model reads no images
    │   ├── NotAllowed  SignInOver  WrongCode  LockedOut
    │   ├── BackupRunning  BackupTooLarge  RestoreRefused
    │   ├── ModelOff  PriceUnknown  RequestTooLarge  RequestTooDear
    │   ├── LimitReached    says when it is possible again
    │   │   ├── TooManyMessages  TooManyReplies  TokensSpent  DollarsSpent
    │   │   └── InstanceLimit   all visitors together
    │   ├── FileRefused     names the file
    │   │   ├── FileEmpty  FileTooLarge  UnknownFileType  UnreadableFile  EncryptedFile
    │   │   └── FileTooComplex  NoTextInFile  FileTooLong  ImageTooLong  NotUploaded
    │   └── VoiceRefused
    │       └── NoTranscription  RecordingEmpty  RecordingTooLarge  RecordingTooLong  NothingHeard
    ├── StoreFailed         the database did not take it: busy, gone, full
    │   └── NotStoredYet    the end of a reply, which is tried again
    ├── BackupFailed        it could not be written
    ├── ServiceClosed       the process is about to end
    ├── SettingsError       the configuration is wrong; lists every problem
    └── ProviderError       the model's side; `code` names the case
        ├── WrongKey  NoPermission  UnknownModel  ContextTooLong  RefusedParameter  BadRequest
        ├── NoCredit  RateLimited  ContentFiltered  ImagesRefused
        ├── ProviderDown  NameNotFound  TlsFailed  ConnectionRefused  ConnectionLost
        ├── FirstTokenTimeout  Stalled  CutOff  Unfinished  EmptyReply  OnlyThinking  Malformed
        ├── ModelNotLoaded  Redirected
        └── OwnKeyMissing  OwnKeyRefused  AddressRefused

`str(error)` is the sentence. `details` may hold what the provider said, keys redacted.
"""

from __future__ import annotations

from datetime import datetime

from chat.redaction import redact


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


class TemporaryGone(NotFound):
    code = "temporary_gone"
    sentence = (
        "This temporary conversation is not here any more. One process of Parley keeps it in its "
        "memory for a day, and forgets it when it is restarted."
    )


class Refused(ParleyError):
    code = "refused"


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


class KeysBusy(Refused):
    code = "keys_busy"
    sentence = (
        "Many keys are being tried just now, so the models of yours were not asked for. The "
        "well-known ones can be used already; for the others try again in a minute."
    )


class TooManyFiles(Refused):
    code = "too_many_files"

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(
            f"{count} files are attached; at most {limit} can go with one message. Remove some."
        )


class CannotSee(Refused):
    code = "cannot_see"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"{model} cannot see images. Choose a model that can in the sidebar, "
            "or remove the image."
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


class ModelOff(Refused):
    code = "model_off"

    def __init__(self, model: str = "…") -> None:
        super().__init__(
            f"{model} is switched off for now. Choose another model in the sidebar; "
            "Guide always answers."
        )


class PriceUnknown(Refused):
    code = "price_unknown"

    def __init__(self, model: str = "…") -> None:
        super().__init__(
            f"The price of {model} is not known, and spending is limited here. Choose another "
            "model, or have its price set in MODEL_PRICES."
        )


class RequestTooLarge(Refused):
    code = "request_too_large"

    def __init__(self, tokens: int = 9_001, limit: int = 8_000) -> None:
        super().__init__(
            f"This takes about {tokens:,} tokens with what goes along, and at most {limit:,} are "
            "allowed. Shorten it, or clear the context in the sidebar."
        )


class RequestTooDear(Refused):
    code = "request_too_dear"

    def __init__(self, cost: str = "…", limit: str = "…") -> None:
        super().__init__(
            f"This could cost ${cost}, more than the ${limit} of a whole day. Lower the reply "
            "length, clear the context, or choose a cheaper model."
        )


class LimitReached(Refused):
    """Not now. `again_at` is when the same can be asked again; None when nobody can tell."""

    code = "limit_reached"
    template = "A limit is reached. Try again {when}."

    def __init__(
        self,
        *,
        when: str = "…",
        again_at: datetime | None = None,
        limit: str = "…",
        span: str = "…",
    ) -> None:
        self.again_at = again_at
        super().__init__(self.template.format(when=when, limit=limit, span=span))


class TooManyMessages(LimitReached):
    code = "too_many_messages"
    template = (
        "You have sent {limit} messages within {span}, the most allowed. You can send again {when}."
    )


class TooManyReplies(LimitReached):
    code = "too_many_replies"
    template = (
        "You have replies being written already, the most at once here: {limit}. "
        "Wait for one to end, or stop it."
    )


class TokensSpent(LimitReached):
    code = "tokens_spent"
    template = (
        "Your {limit} tokens for 24 hours do not suffice for this any more. "
        "It is possible again {when}; Guide still answers."
    )


class DollarsSpent(LimitReached):
    code = "dollars_spent"
    template = (
        "Your ${limit} for 24 hours do not suffice for this any more. "
        "It is possible again {when}; Guide still answers."
    )


class InstanceLimit(LimitReached):
    code = "instance_limit"
    template = (
        "All visitors together have reached what is allowed here: {limit}. It is possible "
        "again {when}. Guide still answers: choose it in the sidebar."
    )


class FileRefused(Refused):
    """A file that cannot be sent; `name` is its cleaned name."""

    code = "file_refused"
    template = "“{name}” cannot be attached."

    def __init__(self, name: str = "…", *, details: str = "", **values: object) -> None:
        self.name = name
        super().__init__(self.template.format(name=name, **values), details=details)


class FileEmpty(FileRefused):
    code = "file_empty"
    template = "“{name}” is empty: there is nothing to read in it."


class FileTooLarge(FileRefused):
    code = "file_too_large"
    template = "“{name}” has {size}; a file may have at most {limit}."


class UnknownFileType(FileRefused):
    code = "unknown_file_type"
    template = (
        "“{name}” is of a type that cannot be read here. "
        "Attach an image, a PDF, Word, Excel, CSV, JSON or text file."
    )


class UnreadableFile(FileRefused):
    code = "unreadable_file"
    template = "“{name}” cannot be read: it is damaged, or something else than its name says."


class EncryptedFile(FileRefused):
    code = "encrypted_file"
    template = "“{name}” is protected by a password. Save a copy without one and attach that."


class FileTooComplex(FileRefused):
    code = "file_too_complex"
    template = "“{name}” takes too much time or memory to read. Attach a smaller part of it."


class NoTextInFile(FileRefused):
    code = "no_text_in_file"
    template = (
        "“{name}” holds no text that can be read; it may be a scan. "
        "Attach its pages as images instead."
    )


class FileTooLong(FileRefused):
    code = "file_too_long"
    template = (
        "“{name}” has about {tokens:,} tokens, and there is room for {room:,}. "
        "Send its beginning, or attach a shorter file."
    )


class ImageTooLong(FileRefused):
    code = "image_too_long"
    template = (
        "“{name}” takes about {tokens:,} tokens, and there is room for {room:,}. "
        "Attach a smaller image."
    )


class NotUploaded(FileRefused):
    code = "not_uploaded"
    template = "“{name}” was not uploaded: a file may have at most {limit}."


class NotAllowed(Refused):
    code = "not_allowed"
    sentence = (
        "This account may not be used here. Sign in with another one, "
        "or ask whoever runs this installation to allow its e-mail address."
    )


class SignInOver(Refused):
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


_ABOUT_FILES: list[type[Refused]] = [TooManyFiles, CannotSee, FileRefused]
FILE_CODES = frozenset(each.code for each in [*_ABOUT_FILES, *FileRefused.__subclasses__()])


class VoiceRefused(Refused):
    """A recording that cannot be turned into text; it is kept until it is discarded."""

    code = "voice_refused"


class NoTranscription(VoiceRefused):
    code = "no_transcription"
    sentence = "Dictation is off: set OPENAI_API_KEY or TRANSCRIPTION_BASE_URL to turn it on."


class RecordingEmpty(VoiceRefused):
    code = "recording_empty"
    sentence = "Nothing was recorded. Check the microphone, then record again."


class RecordingTooLarge(VoiceRefused):
    code = "recording_too_large"

    def __init__(self, size: str, limit: str) -> None:
        super().__init__(
            f"This recording has {size}; at most {limit} can be transcribed. "
            "Record it in shorter pieces."
        )


class RecordingTooLong(VoiceRefused):
    code = "recording_too_long"

    def __init__(self, seconds: float, limit: float) -> None:
        super().__init__(
            f"This recording is {seconds:.0f} s long; at most {limit:.0f} s can be transcribed. "
            "Record it in shorter pieces."
        )


class NothingHeard(VoiceRefused):
    code = "nothing_heard"
    sentence = (
        "No words were heard in this recording. Try again, or record it closer to the microphone."
    )


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


class ProviderError(ParleyError):
    """The model's side failed.

    Raised while streaming: the text that came before it is kept by whoever reads the stream.
    `provider` is the label people know; `retry_at` is set when the provider named a time.
    """

    code = "provider_error"
    template = "{provider} could not answer. Try again, or choose another model."

    def __init__(
        self,
        provider: str = "The provider",
        *,
        details: str = "",
        retry_at: datetime | None = None,
        secrets: tuple[str, ...] = (),
        **values: object,
    ) -> None:
        self.retry_at = retry_at
        super().__init__(
            redact(self.template.format(provider=provider, **values), secrets),
            details=redact(details, secrets),
        )


class WrongKey(ProviderError):
    code = "wrong_key"
    template = (
        "{provider} did not accept the API key. Check the key in the configuration, then retry."
    )


class NoPermission(ProviderError):
    code = "no_permission"
    template = (
        "The API key may not use this model at {provider}. Choose another model, "
        "or have the key's permissions widened."
    )


class UnknownModel(ProviderError):
    code = "unknown_model"
    template = "{provider} does not know the model “{model}”. Choose another one in the sidebar."


class ContextTooLong(ProviderError):
    code = "context_too_long"
    template = (
        "The conversation is longer than the model can read. Clear the context in the sidebar, "
        "shorten the message, or choose a model with a larger window."
    )


class RefusedParameter(ProviderError):
    code = "refused_parameter"
    template = (
        "{provider} does not accept one of the settings for this model. "
        "Set the temperature and the reply length back, or choose another model."
    )


class BadRequest(ProviderError):
    code = "bad_request"
    template = "{provider} could not read the request. The details say why."


class NoCredit(ProviderError):
    code = "no_credit"
    template = (
        "The account at {provider} has no credit left. Top it up, or choose another provider."
    )


class RateLimited(ProviderError):
    code = "rate_limited"
    template = "{provider} is receiving too many requests. Wait a moment, then retry."


class ContentFiltered(ProviderError):
    code = "content_filtered"
    template = "{provider}'s content filter ended this reply. Try to put the question differently."


class ImagesRefused(ProviderError):
    code = "images_refused"
    template = (
        "{provider} says that this model reads no images. "
        "Choose another model, or edit the message and leave the image out."
    )


class ProviderDown(ProviderError):
    code = "provider_down"
    template = "{provider} has a problem on its side. Retry in a moment, or choose another model."


class NameNotFound(ProviderError):
    code = "name_not_found"
    template = (
        "The address of {provider} could not be found. "
        "Check the network and the base URL in the configuration."
    )


class TlsFailed(ProviderError):
    code = "tls_failed"
    template = (
        "No secure connection to {provider} could be made: its certificate was not accepted. "
        "Check the base URL and the machine's certificates."
    )


class ConnectionRefused(ProviderError):
    code = "connection_refused"
    template = "{provider} cannot be reached. Is it running, and is the base URL right?"


class ConnectionLost(ProviderError):
    code = "connection_lost"
    template = "The connection to {provider} failed. Check the network, then retry."


class FirstTokenTimeout(ProviderError):
    code = "first_token_timeout"
    template = (
        "{provider} did not begin to answer within {seconds:g} s. Retry, or choose another model."
    )


class Stalled(ProviderError):
    code = "stalled"
    template = (
        "{provider} went silent for {seconds:g} s in the middle of the reply. "
        "What came before is kept: continue or retry."
    )


class CutOff(ProviderError):
    code = "cut_off"
    template = (
        "The connection to {provider} broke in the middle of the reply. "
        "What came before is kept: continue or retry."
    )


class Unfinished(ProviderError):
    code = "unfinished"
    template = (
        "{provider} ended the reply without saying that it was complete. "
        "What came is kept: continue or retry."
    )


class EmptyReply(ProviderError):
    code = "empty_reply"
    template = "{provider} sent an empty reply. Retry, or choose another model."


class OnlyThinking(ProviderError):
    code = "only_thinking"
    template = (
        "The model used its whole reply for thinking and wrote no answer. "
        "Raise the reply length in the sidebar, then retry."
    )


class Malformed(ProviderError):
    code = "malformed"
    template = (
        "{provider} sent something that is not a reply. "
        "Check that the base URL is that of an OpenAI-compatible API."
    )


class ModelNotLoaded(ProviderError):
    code = "model_not_loaded"
    template = (
        "The local model could not be loaded. Check that LOCAL_MODEL names a complete GGUF file "
        "that fits into memory."
    )


class Redirected(ProviderError):
    code = "redirected"
    template = (
        "{provider} sends requests on to another address, where neither the key nor the "
        "conversation is sent. Check the base URL in the configuration."
    )


class AddressRefused(ProviderError):
    code = "address_refused"
    template = (
        "This address cannot be used. It must begin with https:// and lead to a server "
        "in the public internet."
    )


class OwnKeyMissing(ProviderError):
    code = "own_key_missing"
    template = (
        "This conversation uses a key of yours for {provider}, and it is no longer here. "
        "Type it again under “Your own key”, or choose another model."
    )


class OwnKeyRefused(ProviderError):
    code = "own_key_refused"
    template = (
        "{provider} did not accept the key you typed. "
        "Type it again under “Your own key”, or choose another model."
    )
