"""Pure values and rules. No database, provider, page or I/O. Times are aware UTC."""
