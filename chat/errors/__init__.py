"""Errors with a sentence for the user.

    ParleyError
    ├── NotFound              also raised for objects of other owners
    ├── Refused               invalid input or wrong moment; no provider was called
    │   ├── AttachmentRefused
    │   │   └── FileRefused   one file, named in the sentence
    │   ├── LimitReached      carries the time when the request is possible again
    │   └── VoiceRefused      a recording that cannot be transcribed
    ├── StoreFailed           the database is locked, full or unavailable
    ├── BackupFailed
    ├── ServiceClosed         the process is shutting down
    ├── SettingsError         an invalid configuration, with every problem
    │   └── DatabaseUnavailable   the database cannot be opened now, but may later
    └── ProviderError         the provider failed or rejected the request

`str(error)` is the sentence. `details` may hold the provider's message, with keys redacted.

To add an error, define its class in one of the modules below and quote its sentence in
docs/manual/errors.md. Nothing else lists errors.
"""

from chat.errors.base import *
from chat.errors.files import *
from chat.errors.limits import *
from chat.errors.provider import *
from chat.errors.requests import *
from chat.errors.voice import *
