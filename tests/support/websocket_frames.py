"""Predicates for Streamlit's websocket frames, for events that change nothing on the page."""

from __future__ import annotations

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


def is_end_of_run(frame: str | bytes) -> bool:
    """Return whether a script run finished and was not stopped for another run."""
    message = ForwardMsg()
    message.ParseFromString(frame if isinstance(frame, bytes) else frame.encode())
    is_finished = message.WhichOneof("type") == "script_finished"
    return is_finished and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY


def reports_no_files(frame: str | bytes) -> bool:
    """Return whether the browser reports that the composer holds no files."""
    return b'"files":[]' in (frame if isinstance(frame, bytes) else frame.encode())
