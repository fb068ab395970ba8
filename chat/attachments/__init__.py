"""Attachments: type detection, parsing in a sandbox, file names and token prices."""
