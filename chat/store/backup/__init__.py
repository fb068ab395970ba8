"""Backup, restore and maintenance of the whole database."""
