"""One conversation in the form somebody asked for, with a name for the file. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

from chat.formats.code_snippets import Call, to_curl, to_notebook, to_script
from chat.formats.conversation import Whole
from chat.formats.markdown import to_markdown
from chat.formats.parley.conversation_json import with_contents

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.I)  # names that Windows keeps


class Form(StrEnum):
    """What a conversation can be exported as; the last three run its newest turn elsewhere."""

    MARKDOWN = "markdown"
    JSON = "json"
    NOTEBOOK = "notebook"
    SCRIPT = "script"
    CURL = "curl"

    @property
    def needs_a_call(self) -> bool:
        return self in (Form.NOTEBOOK, Form.SCRIPT, Form.CURL)


_FILES = {
    Form.MARKDOWN: ("md", "text/markdown"),
    Form.JSON: ("json", "application/json"),
    Form.NOTEBOOK: ("ipynb", "application/x-ipynb+json"),
    Form.SCRIPT: ("py", "text/x-python"),
    Form.CURL: ("sh", "text/x-shellscript"),
}


@dataclass(frozen=True, slots=True)
class Export:
    """A file to be handed out."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


def export(whole: Whole, form: Form, model_labels: Mapping[str, str]) -> Export:
    """The conversation as Markdown or JSON."""
    if form is Form.MARKDOWN:
        data = to_markdown(whole, model_labels).encode()
    else:
        data = orjson.dumps(with_contents(whole), option=orjson.OPT_INDENT_2)
    return _file(whole.conversation.title, form, data)


def export_call(call: Call, form: Form) -> Export:
    """The newest turn, to be run elsewhere."""
    write = {Form.NOTEBOOK: to_notebook, Form.SCRIPT: to_script, Form.CURL: to_curl}[form]
    return _file(call.title, form, write(call).encode())


def _file(title: str, form: Form, data: bytes) -> Export:
    last, media_type = _FILES[form]
    return Export(f"{file_stem(title)}.{last}", media_type, data)


def file_stem(title: str) -> str:
    """The title as the first part of a file's name, on any system."""
    words = re.findall(r"\w+", title)
    stem = "-".join(words)[:60].strip("-_")
    return stem if stem and not _RESERVED.fullmatch(stem) else "conversation"
