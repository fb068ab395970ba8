"""Websocket frames: predicates for events that change nothing on the page, and compressed ones."""

from __future__ import annotations

import zlib

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.frames import Frame, Opcode


def is_end_of_run(frame: str | bytes) -> bool:
    """Return whether a script run finished and was not stopped for another run."""
    message = ForwardMsg()
    message.ParseFromString(frame if isinstance(frame, bytes) else frame.encode())
    is_finished = message.WhichOneof("type") == "script_finished"
    return is_finished and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY


def reports_no_files(frame: str | bytes) -> bool:
    """Return whether the browser reports that the composer holds no files."""
    return b'"files":[]' in (frame if isinstance(frame, bytes) else frame.encode())


def compressed(data: bytes, *, is_first: bool = True, is_last: bool = True) -> bytes:
    """Return the masked frame of one message, compressed independently of others."""
    packer = zlib.compressobj(9, wbits=-12)
    packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
    packed = packed.removesuffix(b"\0\0\xff\xff") if is_last else packed
    opcode = Opcode.BINARY if is_first else Opcode.CONT
    frame = Frame(opcode, packed, fin=is_last).serialize(mask=True)
    marks_compression = 0x40 if is_first else 0  # the library sets it only for its own extension
    return bytes([frame[0] | marks_compression, *frame[1:]])
