"""Protection against server-side request forgery through user-supplied addresses."""
