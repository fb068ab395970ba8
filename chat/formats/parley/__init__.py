"""Parley's own archive format."""
