"""Detect the format of an import file and read it as a stream."""
