"""State of one tab: URL, visitor, notices, automatic refresh."""
