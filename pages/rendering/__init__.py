"""Drawing under Streamlit's rules: stale elements, widget values, turns."""
