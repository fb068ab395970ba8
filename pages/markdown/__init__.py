"""Sanitize Markdown from models and users, and split it into blocks."""
