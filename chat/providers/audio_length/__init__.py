"""Length of a recording by what a decoder gets out of its bytes, not by the lengths in headers."""
