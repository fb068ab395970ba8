"""Pure values and rules, without I/O. Times are aware and in UTC."""
