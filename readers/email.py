"""Reader for messages saved from a mail program (.eml): the main fields and the text."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from typing import Any

from readers import text as plain_text
from readers.embedded_pictures import leave_out_pictures
from readers.errors import ReaderError
from readers.html_text import html_to_text
from readers.text_decoding import MAX_CHARACTERS, count_lines, decode, truncate

_FIELDS = ("From", "To", "Cc", "Date", "Subject")


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return text in UTF-8: the fields, the text of the message, and the names of attachments.

    Header: `lines`, `lines_read` of them, `is_cut`, `left_out`. A file without any of the fields
    is read as plain text.
    """
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(data)
    fields = [f"{name}: {value}" for name in _FIELDS if (value := _field(message, name))]
    if not fields:
        return plain_text.read(data, options)
    body, pictures = leave_out_pictures(_body(message))
    attachments = list(message.iter_attachments()) if message.is_multipart() else []
    names = [f"[Attachment not included: {_file_name(each)}]" for each in attachments]
    text = "\n\n".join(filter(None, ("\n".join(fields), body, "\n".join(names))))
    kept = truncate(text, options.get("characters", MAX_CHARACTERS))
    header = {"lines": count_lines(text), "lines_read": count_lines(kept), "is_cut": kept != text}
    left_out = {"attachments": len(attachments), "pictures": pictures}
    return header | {"left_out": left_out}, kept.encode(errors="replace")


def _field(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message[name] or "").split())
    except Exception:  # the parser of fields raises many types on invalid ones
        return ""


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    text = _content(part)
    return html_to_text(text) if part.get_content_type() == "text/html" else text.strip()


def _content(part: MIMEPart) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        text = raw.decode(part.get_content_charset() or "utf-8")
        return text.replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    except (LookupError, UnicodeDecodeError):  # no charset, an unknown one, or a wrong one
        try:
            return decode(raw).text
        except ReaderError:
            return raw.decode("ascii", "replace")


def _file_name(part: MIMEPart) -> str:
    try:
        name = part.get_filename()
    except Exception:  # as for fields
        name = None
    return " ".join((name or part.get_content_type()).split())
