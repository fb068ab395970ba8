"""One reply from request to end: dispatch, request building, streaming, saving, recovery."""
