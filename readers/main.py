"""Entry point of the child process: read one file from stdin and write the result to stdout.

The parser is imported first, the process is confined, and only then is the file read.

The output is one line of JSON followed by the content, or one line with the problem. The reason
is the type of an exception, never its message, which could quote the file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from readers import confinement
from readers.errors import ReaderError


def main(package: str, reader: str, options: dict[str, Any], readable: Sequence[str]) -> None:
    output = sys.stdout.buffer
    sys.stdout = sys.stderr  # keep a library's print() out of the output
    header, content = _read(f"{package}.{reader}", options, readable)
    header["protections"] = confinement.active
    output.write(json.dumps(header).encode() + b"\n")
    output.write(content)
    output.flush()


def _read(
    module: str, options: dict[str, Any], readable: Sequence[str]
) -> tuple[dict[str, Any], bytes]:
    try:
        read = import_module(module).read
        confinement.confine(readable)
        result: tuple[dict[str, Any], bytes] = read(sys.stdin.buffer.read(), options)
        return result
    except ReaderError as error:
        return {"problem": error.code, "reason": "ReaderError"}, b""
    except (MemoryError, RecursionError) as error:
        return {"problem": "too_complex", "reason": type(error).__name__}, b""
    except BaseException as error:  # parsers raise any type; a Rust panic is not an Exception
        return {"problem": "unreadable", "reason": type(error).__name__}, b""
