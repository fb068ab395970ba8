"""Patches of Streamlit, one module per upstream defect."""
