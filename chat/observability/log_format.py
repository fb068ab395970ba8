"""How a line of the log looks: as text for people, or as one JSON object for machines.

Both name the request; what a line says is up to whoever writes it, and is never anybody's words.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from chat.observability.request_ids import request_id

FORMATS = ("text", "json")


def log_formatter(form: str) -> logging.Formatter:
    return JsonLines() if form == "json" else TextLines()


class TextLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        id_ = request_id()
        return super().formatMessage(record) + (f" [{id_}]" if id_ else "")


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id() or None,
            "answer_id": getattr(record, "answer_id", None),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})
