"""The transcript, its messages, their actions and the running reply."""
