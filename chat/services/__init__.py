"""Use cases, one noun per module. Ownership and limits are checked here."""
