"""Detection of import formats and streaming of their conversations."""
