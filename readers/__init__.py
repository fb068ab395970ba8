"""Parsers for untrusted files: bytes in, text or a clean image out, one module per file type.

They run only in a child process that has called `confinement.confine`, and do not import Parley.
Each module has a function `read(data, options)` that returns a header (a JSON-compatible dict) and
the content, or raises `ReaderError`.
"""
