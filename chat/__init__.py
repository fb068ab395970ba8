"""The public API of Parley's chat service. It can be used without the web interface:

>>> from chat import Submission, open_chat
>>> service = open_chat()
>>> me = service.as_owner("me")
>>> answer = me.messages.send(None, Submission("Hello!"))
>>> print("".join(chunk.text for chunk in me.messages.follow(answer.id)))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chat.attachments.file_types import is_audio
from chat.background.file_jobs import FileJob
from chat.background.import_jobs import ImportJob
from chat.config.ephemeral_disk import is_community_cloud, is_history_persistent
from chat.config.openid import sign_in_problems, sign_in_providers
from chat.config.settings import Settings, read_settings
from chat.config.sources import load_config
from chat.domain.attachment import Attachment, File, FileCost, FileKind
from chat.domain.context_window import ContextWindow
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.identity import (
    Connection,
    account_from_claims,
    is_local_admin,
    is_visitor_cookie,
    visitor_from_cookie,
)
from chat.domain.message import Failure, Message, Role, Status, Submission, Usage, Versions
from chat.domain.person import Person
from chat.domain.search_query import is_searchable
from chat.domain.sharing import Share, SharedMessage, Snapshot
from chat.domain.sizes import human_size
from chat.domain.text_encodings import TEXT_ENCODINGS, encoding_label
from chat.domain.usage import UsageLine, UsageReport
from chat.errors import (
    FILE_CODES,
    DatabaseUnavailable,
    FileTooLong,
    ImagesUnsupported,
    LimitReached,
    MessageTooLong,
    NotAllowed,
    NotFound,
    NotStoredYet,
    NotUploaded,
    ParleyError,
    ProviderError,
    Refused,
    ReplyRunning,
    SettingsError,
    SignInExpired,
    StoreFailed,
    TemporaryConversationExpired,
)
from chat.formats.export import Export, ExportFormat
from chat.formats.import_report import ImportOutcome, ImportReport, ItemReport
from chat.observability.io_hook import set_io_hook
from chat.observability.log_format import log_formatter
from chat.observability.request_ids import begin_request, request_id
from chat.providers.base import Model
from chat.providers.user_keys import OTHER, OwnKey
from chat.replies.buffer import ReplyChunk

if TYPE_CHECKING:
    from chat.bootstrap import open_chat
    from chat.service import ChatService, OwnerService
    from chat.services.conversation_view import ConversationView
    from chat.store import Hit

# Imported on first use: loading SQLAlchemy takes a third of the startup time, and the server can
# answer its first requests before that.
_LAZY = {
    "open_chat": "chat.bootstrap",
    "ChatService": "chat.service",
    "OwnerService": "chat.service",
    "Hit": "chat.store",
    "ConversationView": "chat.services.conversation_view",
}

__all__ = [
    "FILE_CODES",
    "OTHER",
    "TEXT_ENCODINGS",
    "Attachment",
    "ChatService",
    "Connection",
    "ContextWindow",
    "Conversation",
    "ConversationView",
    "DatabaseUnavailable",
    "Export",
    "ExportFormat",
    "Failure",
    "File",
    "FileCost",
    "FileJob",
    "FileKind",
    "FileTooLong",
    "Hit",
    "ImagesUnsupported",
    "ImportJob",
    "ImportOutcome",
    "ImportReport",
    "ItemReport",
    "LimitReached",
    "Message",
    "MessageTooLong",
    "Model",
    "NotAllowed",
    "NotFound",
    "NotStoredYet",
    "NotUploaded",
    "OwnKey",
    "OwnerService",
    "ParleyError",
    "Person",
    "ProviderError",
    "Refused",
    "ReplyChunk",
    "ReplyRunning",
    "ReplySettings",
    "Role",
    "Settings",
    "SettingsError",
    "Share",
    "SharedMessage",
    "SignInExpired",
    "Snapshot",
    "Status",
    "StoreFailed",
    "Submission",
    "TemporaryConversationExpired",
    "Usage",
    "UsageLine",
    "UsageReport",
    "Versions",
    "account_from_claims",
    "begin_request",
    "encoding_label",
    "human_size",
    "is_audio",
    "is_community_cloud",
    "is_history_persistent",
    "is_local_admin",
    "is_searchable",
    "is_visitor_cookie",
    "load_config",
    "log_formatter",
    "open_chat",
    "read_settings",
    "request_id",
    "set_io_hook",
    "sign_in_problems",
    "sign_in_providers",
    "visitor_from_cookie",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
