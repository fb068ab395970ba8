"""Transfer of a history between SQLite and PostgreSQL with the backup and restore commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from chat import ChatService, File, Submission, open_chat
from chat.__main__ import main
from tests.support.databases import postgres_database
from tests.support.scripted_provider import ScriptedProvider

ANN, BOB = "visitor:ann", "visitor:bob"


def open_service(url: str, provider: ScriptedProvider) -> ChatService:
    return open_chat({"DATABASE_URL": url}, providers=[provider])


def ask(service: ChatService, owner: str, words: str, *files: File) -> str:
    answer = service.as_owner(owner).messages.send(None, Submission(words, files))
    list(service.as_owner(owner).messages.follow(answer.id))
    return answer.conversation_id


@pytest.mark.parametrize("is_to_postgres", [True, False], ids=["to PostgreSQL", "to SQLite"])
def test_history_moves_to_the_other_kind_of_database(
    is_to_postgres: bool,
    postgres: URL,
    provider: ScriptedProvider,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    with postgres_database(postgres) as server:
        urls = [f"sqlite:///{tmp_path / 'parley.db'}", server]
        old, new = urls if is_to_postgres else reversed(urls)
        provider.say("The **okapi** has four legs.", "So do others.", "Nothing.")
        service = open_service(old, provider)
        id_ = ask(service, ANN, "How many legs?", File("a.csv", b"animal,legs\nokapi,4\n"))
        answer = service.as_owner(ANN).conversations.open(id_).messages[-1]
        list(
            service.as_owner(ANN).messages.follow(
                service.as_owner(ANN).messages.retry(answer.id).id
            )
        )
        service.as_owner(ANN).conversations.pin(id_)
        other = ask(service, BOB, "What else?")
        before = [
            service.as_owner(ANN).conversations.open(id_).messages,
            service.as_owner(BOB).conversations.open(other).messages,
        ]
        service.close()

        monkeypatch.setenv("DATABASE_URL", old)
        assert main(["backup", "move.db"]) == 0
        monkeypatch.setenv("DATABASE_URL", new)
        assert main(["restore", "move.db"]) == 0
        assert main(["doctor"]) == 0

        service = open_service(new, provider)
        assert [
            service.as_owner(ANN).conversations.open(id_).messages,
            service.as_owner(BOB).conversations.open(other).messages,
        ] == before
        assert [each.id for each in service.as_owner(ANN).conversations.pinned()] == [id_]
        assert [hit.message_id for hit in service.as_owner(ANN).conversations.search("okapi")] == [
            answer.id
        ]
        provider.say("One more.")
        assert ask(service, ANN, "And now?") not in {id_, other}
        service.close()
