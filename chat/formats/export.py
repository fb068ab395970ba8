"""Export formats for one conversation: writers, media types and file names. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

from chat.formats.code_snippets import ApiCall, to_curl, to_notebook, to_script
from chat.formats.conversation import PortableConversation
from chat.formats.markdown import to_markdown
from chat.formats.parley.conversation_json import with_contents

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.I)  # device names on Windows

ConversationWriter = Callable[[PortableConversation, Mapping[str, str]], bytes]
CallWriter = Callable[[ApiCall], str]


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """Label, file type and writer of an export format. Exactly one of the writers is set."""

    label: str
    description: str
    extension: str
    media_type: str
    write: ConversationWriter | None = None
    write_call: CallWriter | None = None


def _markdown(conversation: PortableConversation, model_labels: Mapping[str, str]) -> bytes:
    return to_markdown(conversation, model_labels).encode()


def _json(conversation: PortableConversation, _model_labels: Mapping[str, str]) -> bytes:
    return orjson.dumps(with_contents(conversation), option=orjson.OPT_INDENT_2)


_RUN = "repeats the last request outside Parley"


class ExportFormat(StrEnum):
    """Export formats, one row each. To add a format, add a row."""

    spec: FormatSpec

    def __new__(cls, value: str, spec: FormatSpec) -> ExportFormat:
        member = str.__new__(cls, value)
        member._value_ = value
        member.spec = spec
        return member

    MARKDOWN = "markdown", FormatSpec("Markdown", "for reading", "md", "text/markdown", _markdown)
    JSON = (
        "json",
        FormatSpec("JSON", "all data, can be imported again", "json", "application/json", _json),
    )
    NOTEBOOK = (
        "notebook",
        FormatSpec(
            "Jupyter notebook", _RUN, "ipynb", "application/x-ipynb+json", write_call=to_notebook
        ),
    )
    SCRIPT = (
        "script",
        FormatSpec("Python script", _RUN, "py", "text/x-python", write_call=to_script),
    )
    CURL = "curl", FormatSpec("curl command", _RUN, "sh", "text/x-shellscript", write_call=to_curl)

    @property
    def label(self) -> str:
        return self.spec.label

    @property
    def description(self) -> str:
        return self.spec.description

    @property
    def is_code(self) -> bool:
        """True if the format is code that repeats the newest request."""
        return self.spec.write_call is not None


@dataclass(frozen=True, slots=True)
class Export:
    """An exported file."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


def export(
    conversation: PortableConversation, export_format: ExportFormat, model_labels: Mapping[str, str]
) -> Export:
    """Return the conversation as a file. `model_labels` maps model references to display names.

    Raises ValueError if the format is code; see `export_call`.
    """
    if export_format.spec.write is None:
        raise ValueError(f"{export_format} is written from a call")
    data = export_format.spec.write(conversation, model_labels)
    return _file(conversation.conversation.title, export_format.spec, data)


def export_call(call: ApiCall, export_format: ExportFormat) -> Export:
    """Return code that repeats `call`. Raises ValueError if the format is not code."""
    if export_format.spec.write_call is None:
        raise ValueError(f"{export_format} is written from a conversation")
    return _file(call.title, export_format.spec, export_format.spec.write_call(call).encode())


def _file(title: str, spec: FormatSpec, data: bytes) -> Export:
    return Export(f"{file_stem(title)}.{spec.extension}", spec.media_type, data)


def file_stem(title: str) -> str:
    """Return a file name without extension for a title, valid on every operating system."""
    words = re.findall(r"\w+", title)
    stem = "-".join(words)[:60].strip("-_")
    return stem if stem and not _RESERVED.fullmatch(stem) else "conversation"
