"""Alembic environment. Runs the migrations on the connection passed by `chat.store.engine`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
