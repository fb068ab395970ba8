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

from chat.errors.base import (
    BackupFailed,
    NotFound,
    NotStoredYet,
    ParleyError,
    Refused,
    ServiceClosed,
    SettingsError,
    StoreFailed,
    TemporaryGone,
)
from chat.errors.files import (
    FILE_CODES,
    CannotSee,
    EncryptedFile,
    FileEmpty,
    FileRefused,
    FileTooComplex,
    FileTooLarge,
    FileTooLong,
    ImageTooLong,
    NoTextInFile,
    NotUploaded,
    TooManyFiles,
    UnknownFileType,
    UnreadableFile,
)
from chat.errors.limits import (
    DollarsSpent,
    InstanceLimit,
    LimitReached,
    ModelOff,
    PriceUnknown,
    RequestTooDear,
    RequestTooLarge,
    TokensSpent,
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
    CutOff,
    EmptyReply,
    FirstTokenTimeout,
    ImagesRefused,
    Malformed,
    ModelNotLoaded,
    NameNotFound,
    NoCredit,
    NoPermission,
    OnlyThinking,
    OwnKeyMissing,
    OwnKeyRefused,
    ProviderDown,
    ProviderError,
    RateLimited,
    Redirected,
    RefusedParameter,
    Stalled,
    TlsFailed,
    Unfinished,
    UnknownModel,
    WrongKey,
)
from chat.errors.requests import (
    BackupRunning,
    BackupTooLarge,
    EmptyMessage,
    ImportRunning,
    ImportsBusy,
    KeysBusy,
    LockedOut,
    MessageTooLong,
    NotAllowed,
    NothingToAnswer,
    ReplyRunning,
    RestoreRefused,
    SignInOver,
    WrongCode,
)
from chat.errors.voice import (
    NothingHeard,
    NoTranscription,
    RecordingEmpty,
    RecordingTooLarge,
    RecordingTooLong,
    VoiceRefused,
)

__all__ = [
    "FILE_CODES",
    "AddressRefused",
    "BackupFailed",
    "BackupRunning",
    "BackupTooLarge",
    "BadRequest",
    "CannotSee",
    "ConnectionLost",
    "ConnectionRefused",
    "ContentFiltered",
    "ContextTooLong",
    "CutOff",
    "DollarsSpent",
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
    "ImportRunning",
    "ImportsBusy",
    "InstanceLimit",
    "KeysBusy",
    "LimitReached",
    "LockedOut",
    "Malformed",
    "MessageTooLong",
    "ModelNotLoaded",
    "ModelOff",
    "NameNotFound",
    "NoCredit",
    "NoPermission",
    "NoTextInFile",
    "NoTranscription",
    "NotAllowed",
    "NotFound",
    "NotStoredYet",
    "NotUploaded",
    "NothingHeard",
    "NothingToAnswer",
    "OnlyThinking",
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
    "Redirected",
    "Refused",
    "RefusedParameter",
    "ReplyRunning",
    "RequestTooDear",
    "RequestTooLarge",
    "RestoreRefused",
    "ServiceClosed",
    "SettingsError",
    "SignInOver",
    "Stalled",
    "StoreFailed",
    "TemporaryGone",
    "TlsFailed",
    "TokensSpent",
    "TooManyFiles",
    "TooManyMessages",
    "TooManyReplies",
    "Unfinished",
    "UnknownFileType",
    "UnknownModel",
    "UnreadableFile",
    "VoiceRefused",
    "WrongCode",
    "WrongKey",
]
