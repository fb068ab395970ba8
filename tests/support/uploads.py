"""Parser for the multipart form that a speech-to-text server receives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message


@dataclass(frozen=True)
class Upload:
    """The form's fields and the bytes of its file."""

    fields: dict[str, str]
    file_name: str = ""
    media_type: str = ""
    data: bytes = field(default=b"", repr=False)


def read_upload(content_type: str, body: bytes) -> Upload:
    """Parse a multipart body; raise `AssertionError` if it is malformed or truncated."""
    form = Message()
    form["Content-Type"] = content_type
    assert form.get_content_type() == "multipart/form-data", content_type
    line = b"--" + str(form.get_param("boundary")).encode()
    first, *parts, last = (b"\r\n" + body).split(b"\r\n" + line)
    assert (first, last.strip()) == (b"", b"--"), "malformed multipart body"
    fields, files = {}, []
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        names = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode()))
        if "filename" in names:
            kind = re.search(r"(?im)^content-type: *(\S+)", head.decode())
            files.append((names["filename"], kind[1] if kind else "", data))
        else:
            fields[names["name"]] = data.decode()
    assert len(files) == 1, "expected exactly one file"
    return Upload(fields, *files[0])
