"""Conversations from ChatGPT's data export."""
