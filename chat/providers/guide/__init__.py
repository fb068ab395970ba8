"""Guide, the built-in offline assistant that answers from the manual."""
