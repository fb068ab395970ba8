"""What a page is told and tells over its connection, for what it need not show."""

from __future__ import annotations

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


def is_end_of_run(frame: str | bytes) -> bool:
    """Whether a script came to its end, and was not stopped for another run."""
    message = ForwardMsg()
    message.ParseFromString(frame if isinstance(frame, bytes) else frame.encode())
    is_told = message.WhichOneof("type") == "script_finished"
    return is_told and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY


def tells_of_no_files(frame: str | bytes) -> bool:
    """Whether the page says that nothing is in the composer's box any more."""
    return b'"files":[]' in (frame if isinstance(frame, bytes) else frame.encode())
