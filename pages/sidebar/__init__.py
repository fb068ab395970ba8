"""The sidebar: conversation list, search, settings, sharing, export."""
