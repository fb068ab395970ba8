"""Small browser components, each a Python module and its JavaScript."""
