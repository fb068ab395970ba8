"""Configuration: where it is read from, its fields and their validation."""
