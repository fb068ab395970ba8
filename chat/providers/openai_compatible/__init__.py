"""Client for OpenAI-compatible HTTP APIs: requests, streams, errors, speech."""
