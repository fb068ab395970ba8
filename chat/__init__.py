"""Parley's chat service: the public names, nothing else. Works without any page:

>>> from chat import Submission, open_chat
>>> service = open_chat()
>>> answer = service.send("me", None, Submission("Hello!"))
>>> print("".join(piece.text for piece in service.follow("me", answer.id)))
"""

from chat.bootstrap import open_chat
from chat.context import Fit
from chat.domain import (
    Conversation,
    Failure,
    Message,
    ReplySettings,
    Role,
    Status,
    Submission,
    Usage,
    Versions,
)
from chat.errors import (
    MessageTooLong,
    NotFound,
    ParleyError,
    ProviderError,
    Refused,
    ReplyRunning,
    SettingsError,
)
from chat.generation import Piece
from chat.providers.base import Model
from chat.service import ChatService, View
from chat.settings import Settings, gather

__all__ = [
    "ChatService",
    "Conversation",
    "Failure",
    "Fit",
    "Message",
    "MessageTooLong",
    "Model",
    "NotFound",
    "ParleyError",
    "Piece",
    "ProviderError",
    "Refused",
    "ReplyRunning",
    "ReplySettings",
    "Role",
    "Settings",
    "SettingsError",
    "Status",
    "Submission",
    "Usage",
    "Versions",
    "View",
    "gather",
    "open_chat",
]
