"""Readers of untrusted files: bytes in, text or a clean picture out, one module for each kind.

They are imported only in a child process that has confined itself (see limits.py), and know
nothing of Parley. Each has `read(data, options)`, which gives a header (a dict for JSON) and the
content, or raises `Problem`.
"""
