"""The sidebar: navigation, conversation list, search, settings, sharing and export."""
