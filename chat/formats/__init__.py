"""Conversations as files: what leaves Parley, and what comes in from elsewhere.

Pure formats, readers and writers. Nothing here knows a database, a page or who owns what.
"""
