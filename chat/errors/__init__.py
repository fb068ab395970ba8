"""Every error a person can meet, with the sentence they read.

    ParleyError
    ├── NotFound            it does not exist, or it is somebody else's: one answer for both
    │   └── TemporaryConversationExpired
    ├── Refused             the person's input or the moment is wrong; nothing was called
    │   ├── EmptyMessage
    │   ├── MessageTooLong
    │   ├── ReplyRunning
    │   ├── NothingToAnswer
    │   ├── ImportRunning  ImportsBusy  KeyChecksBusy
    │   ├── TooManyFiles
    │   ├── ImagesUnsupported       the model reads no images
    │   ├── NotAllowed  SignInExpired  WrongCode  LockedOut
    │   ├── BackupRunning  BackupTooLarge  RestoreRefused
    │   ├── ModelDisabled  PriceUnknown  RequestTooLarge  RequestTooExpensive
    │   ├── LimitReached    says when it is possible again
    │   │   ├── TooManyMessages  TooManyReplies  TokenLimitReached  SpendingLimitReached
    │   │   └── InstanceLimit   all visitors together
    │   ├── FileRefused     names the file
    │   │   ├── FileEmpty  FileTooLarge  UnknownFileType  UnreadableFile  EncryptedFile
    │   │   └── FileTooComplex  NoTextInFile  FileTooLong  ImageTooLong  NotUploaded
    │   └── VoiceRefused
    │       ├── TranscriptionUnavailable  NoSpeechDetected
    │       └── RecordingEmpty  RecordingTooLarge  RecordingTooLong
    ├── StoreFailed         the database did not take it: busy, gone, full
    │   └── NotStoredYet    the end of a reply, which is tried again
    ├── BackupFailed        it could not be written
    ├── ServiceClosed       the process is about to end
    ├── SettingsError       the configuration is wrong; lists every problem
    └── ProviderError       the model's side; `code` names the case
        ├── WrongKey  NoPermission  UnknownModel  ContextTooLong  RefusedParameter  BadRequest
        ├── NoCredit  RateLimited  ContentFiltered  ImagesRefused
        ├── ProviderDown  NameNotFound  TlsFailed  ConnectionRefused  ConnectionLost
        ├── FirstTokenTimeout  StreamStalled  StreamInterrupted  IncompleteReply
        ├── EmptyReply  OnlyReasoning  MalformedResponse  ModelNotLoaded  RedirectRefused
        └── OwnKeyMissing  OwnKeyRefused  AddressRefused

`str(error)` is the sentence. `details` may hold what the provider said, keys redacted.
"""

from __future__ import annotations

from chat.errors.base import (
    BackupFailed,
    NotFound,
    NotStoredYet,
    ParleyError,
    Refused,
    ServiceClosed,
    SettingsError,
    StoreFailed,
    TemporaryConversationExpired,
)
from chat.errors.files import (
    FILE_CODES,
    EncryptedFile,
    FileEmpty,
    FileRefused,
    FileTooComplex,
    FileTooLarge,
    FileTooLong,
    ImagesUnsupported,
    ImageTooLong,
    NoTextInFile,
    NotUploaded,
    TooManyFiles,
    UnknownFileType,
    UnreadableFile,
)
from chat.errors.limits import (
    InstanceLimit,
    LimitReached,
    ModelDisabled,
    PriceUnknown,
    RequestTooExpensive,
    RequestTooLarge,
    SpendingLimitReached,
    TokenLimitReached,
    TooManyMessages,
    TooManyReplies,
)
from chat.errors.provider import (
    AddressRefused,
    BadRequest,
    ConnectionLost,
    ConnectionRefused,
    ContentFiltered,
    ContextTooLong,
    EmptyReply,
    FirstTokenTimeout,
    ImagesRefused,
    IncompleteReply,
    MalformedResponse,
    ModelNotLoaded,
    NameNotFound,
    NoCredit,
    NoPermission,
    OnlyReasoning,
    OwnKeyMissing,
    OwnKeyRefused,
    ProviderDown,
    ProviderError,
    RateLimited,
    RedirectRefused,
    RefusedParameter,
    StreamInterrupted,
    StreamStalled,
    TlsFailed,
    UnknownModel,
    WrongKey,
)
from chat.errors.requests import (
    BackupRunning,
    BackupTooLarge,
    EmptyMessage,
    ImportRunning,
    ImportsBusy,
    KeyChecksBusy,
    LockedOut,
    MessageTooLong,
    NotAllowed,
    NothingToAnswer,
    ReplyRunning,
    RestoreRefused,
    SignInExpired,
    WrongCode,
)
from chat.errors.voice import (
    NoSpeechDetected,
    RecordingEmpty,
    RecordingTooLarge,
    RecordingTooLong,
    TranscriptionUnavailable,
    VoiceRefused,
)

__all__ = [
    "FILE_CODES",
    "AddressRefused",
    "BackupFailed",
    "BackupRunning",
    "BackupTooLarge",
    "BadRequest",
    "ConnectionLost",
    "ConnectionRefused",
    "ContentFiltered",
    "ContextTooLong",
    "EmptyMessage",
    "EmptyReply",
    "EncryptedFile",
    "FileEmpty",
    "FileRefused",
    "FileTooComplex",
    "FileTooLarge",
    "FileTooLong",
    "FirstTokenTimeout",
    "ImageTooLong",
    "ImagesRefused",
    "ImagesUnsupported",
    "ImportRunning",
    "ImportsBusy",
    "IncompleteReply",
    "InstanceLimit",
    "KeyChecksBusy",
    "LimitReached",
    "LockedOut",
    "MalformedResponse",
    "MessageTooLong",
    "ModelDisabled",
    "ModelNotLoaded",
    "NameNotFound",
    "NoCredit",
    "NoPermission",
    "NoSpeechDetected",
    "NoTextInFile",
    "NotAllowed",
    "NotFound",
    "NotStoredYet",
    "NotUploaded",
    "NothingToAnswer",
    "OnlyReasoning",
    "OwnKeyMissing",
    "OwnKeyRefused",
    "ParleyError",
    "PriceUnknown",
    "ProviderDown",
    "ProviderError",
    "RateLimited",
    "RecordingEmpty",
    "RecordingTooLarge",
    "RecordingTooLong",
    "RedirectRefused",
    "Refused",
    "RefusedParameter",
    "ReplyRunning",
    "RequestTooExpensive",
    "RequestTooLarge",
    "RestoreRefused",
    "ServiceClosed",
    "SettingsError",
    "SignInExpired",
    "SpendingLimitReached",
    "StoreFailed",
    "StreamInterrupted",
    "StreamStalled",
    "TemporaryConversationExpired",
    "TlsFailed",
    "TokenLimitReached",
    "TooManyFiles",
    "TooManyMessages",
    "TooManyReplies",
    "TranscriptionUnavailable",
    "UnknownFileType",
    "UnknownModel",
    "UnreadableFile",
    "VoiceRefused",
    "WrongCode",
    "WrongKey",
]
