"""Logging, metrics, request ids and redaction of secrets."""
