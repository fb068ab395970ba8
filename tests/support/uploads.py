"""A form with a file in it, as a server that turns speech into text receives it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message


@dataclass(frozen=True)
class Upload:
    """The form's fields, and its file byte for byte."""

    fields: dict[str, str]
    file_name: str = ""
    media_type: str = ""
    data: bytes = field(default=b"", repr=False)


def read_upload(content_type: str, body: bytes) -> Upload:
    """From a multipart body. Asserts that it is one, to its last line."""
    form = Message()
    form["Content-Type"] = content_type
    assert form.get_content_type() == "multipart/form-data", content_type
    line = b"--" + str(form.get_param("boundary")).encode()
    first, *parts, last = (b"\r\n" + body).split(b"\r\n" + line)
    assert (first, last.strip()) == (b"", b"--"), "no whole form"
    fields, files = {}, []
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        names = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode()))
        if "filename" in names:
            kind = re.search(r"(?im)^content-type: *(\S+)", head.decode())
            files.append((names["filename"], kind[1] if kind else "", data))
        else:
            fields[names["name"]] = data.decode()
    assert len(files) == 1, "one file is expected"
    return Upload(fields, *files[0])
