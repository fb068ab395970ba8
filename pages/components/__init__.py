"""Browser components: one Python module and one script each, see `browser_component`."""
