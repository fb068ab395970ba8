"""ASGI middleware and routes around Streamlit's own application."""
