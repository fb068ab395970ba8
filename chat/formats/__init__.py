"""Export and import formats for conversations.

Pure readers and writers, without access to the database, the pages or owners.
"""
