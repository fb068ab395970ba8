"""Parley from the working tree, with an empty database."""

from __future__ import annotations

import sqlite3

from benchmarks.apps.server import ROOT, StreamlitServer
from benchmarks.words import reply


class Parley(StreamlitServer):
    name = "Parley"

    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": f"sqlite:///{self.folder / 'parley.db'}",
            "FIND_LOCAL_SERVERS": "false",
            "OPENAI_MODELS": "bench",
            "DEFAULT_MODEL": "openai/bench",
            "PYTHONPATH": str(ROOT),
        }

    def prepare(self) -> None:
        from chat.store import Store

        Store(f"sqlite:///{self.folder / 'parley.db'}").close()

    def launch(self) -> None:
        # Streamlit reads its configuration from the working folder.
        here = self.folder / ".streamlit"
        if not here.exists():
            here.symlink_to(ROOT / ".streamlit", target_is_directory=True)
        super().launch()

    def lengthen(self, messages: int) -> None:
        """Append `messages` messages to the newest conversation, through the store."""
        from chat.domain.ids import new_id
        from chat.domain.message import Status, Usage
        from chat.domain.writes import NewAnswer, NewQuestion
        from chat.store import Outcome, Store

        database = self.folder / "parley.db"
        with sqlite3.connect(database) as connection:
            newest = "SELECT owner, id FROM conversations ORDER BY id DESC LIMIT 1"
            owner, conversation = connection.execute(newest).fetchone()
        store = Store(f"sqlite:///{database}")
        text = "".join(reply("", 120))
        for number in range(messages // 2):
            question = NewQuestion(f"Question {number} of the past", 6, False)
            answer = NewAnswer(new_id(), "openai/bench", "bench")
            stored = store.messages.send(owner, conversation, question, answer)
            ended = Outcome(Status.COMPLETE, text, usage=Usage(10, 120, is_reported=True))
            store.replies.finish(stored.id, "bench", ended)
        store.close()
