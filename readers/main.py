"""What the child does: one file from its input, the answer to its output, the end.

The answer is one line of JSON and then the content as it is; or one line with the problem. The
reason beside it is the kind of an error, never its text: that may hold what the file says.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from readers.problems import Problem


def main(package: str, reader: str, options: dict[str, Any]) -> None:
    output = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints is no part of the answer
    header, content = _answer(package, reader, options)
    output.write(json.dumps(header).encode() + b"\n")
    output.write(content)
    output.flush()


def _answer(package: str, reader: str, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        read = import_module(f"{package}.{reader}").read
        answer: tuple[dict[str, Any], bytes] = read(sys.stdin.buffer.read(), options)
        return answer
    except Problem as problem:
        return {"problem": problem.name, "reason": "Problem"}, b""
    except (MemoryError, RecursionError) as error:
        return {"problem": "too_complex", "reason": type(error).__name__}, b""
    except BaseException as error:  # libraries raise anything, and a panic in Rust is no Exception
        return {"problem": "unreadable", "reason": type(error).__name__}, b""
