"""A prepared export is discarded when another process purges a conversation in it."""

from __future__ import annotations

import pytest

from chat import Submission, open_chat
from tests.support.scripted_provider import ScriptedProvider

ME = "visitor:me"


@pytest.mark.parametrize("purged", [0, 1])
def test_export_is_not_available_after_a_purge_by_another_process(
    database_url: str, purged: int
) -> None:
    config = {"DATABASE_URL": database_url}
    first, second = (open_chat(config, providers=[ScriptedProvider()]) for _ in range(2))
    me, conversations = first.as_owner(ME), []
    for text in ("one", "two"):
        answer = me.messages.send(None, Submission(text))
        list(me.messages.follow(answer.id))
        conversations.append(answer.conversation_id)
    job = me.transfer.begin_export()
    assert job.wait(10) and job.is_available()
    path = job.path
    assert path is not None and path.exists()
    second.as_owner(ME).conversations.delete(conversations[purged])
    assert job.is_available(), "a deleted conversation can be restored"
    second.as_owner(ME).conversations.purge(conversations[purged])
    assert not job.is_available()
    assert not path.exists() and job.path is None
    first.close()
    second.close()


def test_export_that_is_not_downloaded_is_removed_after_a_purge(database_url: str) -> None:
    config = {"DATABASE_URL": database_url}
    first, second = (open_chat(config, providers=[ScriptedProvider()]) for _ in range(2))
    answer = first.as_owner(ME).messages.send(None, Submission("one"))
    list(first.as_owner(ME).messages.follow(answer.id))
    job = first.as_owner(ME).transfer.begin_export()
    assert job.wait(10)
    path = job.path
    assert path is not None and path.exists()
    second.as_owner(ME).conversations.purge(answer.conversation_id)
    first.purge_expired()
    assert not path.exists()
    first.close()
    second.close()
