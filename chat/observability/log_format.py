"""Log formatters: plain text, or one JSON object per line.

Both add the request id. Log messages never contain conversation text.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from chat.observability.request_ids import request_id


def log_formatter(name: str) -> logging.Formatter:
    """Return the formatter for the setting `LOG_FORMAT`: "text" or "json"."""
    return JsonFormatter() if name == "json" else TextFormatter()


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        id_ = request_id()
        return super().formatMessage(record) + (f" [{id_}]" if id_ else "")


class JsonFormatter(logging.Formatter):
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
