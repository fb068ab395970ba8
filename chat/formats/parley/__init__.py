"""Parley's own export formats: one conversation as JSON, or many as a zip archive."""
