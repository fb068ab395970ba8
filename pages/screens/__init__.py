"""Page scripts, one per screen; Streamlit runs them."""
