"""Patches of Streamlit, one module per upstream defect, and every access to its private API.

`install` applies the patches after checking Streamlit's version and signatures. The other modules
wrap private attributes in small functions. No module outside this package imports or reads a
private name of Streamlit (tests/streamlit_patches/test_private_api.py), and no module in it
imports another package of Parley.
"""
