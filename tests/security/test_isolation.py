"""Isolation of owners: every public method of the service, called by every other caller.

The tables below form the matrix. Each public method needs a row in one of them:

- `TAKES_ID`: every other caller calls it with the owner's ids; the result must equal the result
  for an unknown id, and nothing may change. Then the owner calls it with the correct id, in the
  order of the table, and succeeds.
- `LISTS`: returns or discards data of the bound owner.
- `CREATES`: creates data for the bound owner, and is refused without an owner.
- `FOR_ADMINS`: takes a `Person` and raises `NotFound` for all but administrators.
- `ABOUT_THE_CALLER`, `WITHOUT_OWNER`: the reason why isolation does not apply.
"""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from chat import ChatService, ExportFormat, File, OwnerService, Person, Submission, open_chat
from chat.domain.ids import new_id
from chat.errors import NotFound, ParleyError, TranscriptionUnavailable
from chat.store.schema import Base
from tests.support.databases import postgres_database
from tests.support.scripted_provider import ScriptedProvider

OWNER = "visitor:ann"
HOLDER = "visitor:holder"  # has the link to a snapshot and has continued it in a copy
OTHER_CALLERS = {
    "another visitor": "visitor:bob",
    "another account": "account:bob",
    "a signed-out visitor": "",
    "the holder of a link": HOLDER,
}
WORD = "zebra"  # in the owner's message and in the snapshot
SECRET = b"animal,legs\nokapi,4\n"  # a file is never part of a snapshot
Call = Callable[[OwnerService, str], Any]


@dataclass(frozen=True)
class Row:
    method: str
    kind: str  # kind of id that the method expects
    call: Call


TAKES_ID = [
    Row("conversations.open", "conversation", lambda me, i: me.conversations.open(i)),
    Row("conversations.get", "conversation", lambda me, i: me.conversations.get(i)),
    Row("conversations.settings", "conversation", lambda me, i: me.conversations.settings(i)),
    *(
        Row(
            "transfer.export",
            "conversation",
            lambda me, i, form=form: me.transfer.export(i, form),  # type: ignore[misc]
        )
        for form in ExportFormat
        if not form.is_code
    ),
    Row("sharing.links", "conversation", lambda me, i: me.sharing.links(i)),
    Row("attachments.content", "attachment", lambda me, i: me.attachments.content(i)),
    Row("attachments.preview", "attachment", lambda me, i: me.attachments.preview(i)),
    Row(
        "attachments.price",
        "conversation",
        lambda me, i: me.attachments.price(i, [File("a.txt", b"x")]),
    ),
    Row("messages.follow", "answer", lambda me, i: list(me.messages.follow(i))),
    Row("messages.follow", "running answer", lambda me, i: next(me.messages.follow(i))),
    Row("messages.stop", "running conversation", lambda me, i: me.messages.stop(i)),
    Row("messages.continue_", "running answer", lambda me, i: me.messages.continue_(i)),
    Row("messages.send", "conversation", lambda me, i: me.messages.send(i, Submission("More"))),
    Row("messages.retry", "answer", lambda me, i: me.messages.retry(i)),
    Row("messages.edit", "question", lambda me, i: me.messages.edit(i, "Other words")),
    Row("messages.show_version", "question", lambda me, i: me.messages.show_version(i)),
    Row("messages.show", "answer", lambda me, i: me.messages.show(i)),
    Row("conversations.rename", "conversation", lambda me, i: me.conversations.rename(i, "Mine")),
    Row("conversations.pin", "conversation", lambda me, i: me.conversations.pin(i)),
    Row(
        "conversations.pin", "conversation", lambda me, i: me.conversations.pin(i, is_pinned=False)
    ),
    Row(
        "conversations.change_settings",
        "conversation",
        lambda me, i: me.conversations.change_settings(i, temperature=0.1, model="scripted/two"),
    ),
    Row("conversations.clear", "conversation", lambda me, i: me.conversations.clear(i)),
    Row(
        "conversations.unclear", "conversation", lambda me, i: me.conversations.unclear(i, new_id())
    ),
    Row("messages.delete", "answer", lambda me, i: me.messages.delete(i)),
    Row("messages.undelete", "answer", lambda me, i: me.messages.undelete(i)),
    Row("sharing.create", "conversation", lambda me, i: me.sharing.create(i)),
    Row("sharing.revoke", "share", lambda me, i: me.sharing.revoke(i)),
    Row(
        "conversations.undelete", "deleted conversation", lambda me, i: me.conversations.undelete(i)
    ),
    Row("conversations.delete", "conversation", lambda me, i: me.conversations.delete(i)),
    Row("conversations.purge", "conversation", lambda me, i: me.conversations.purge(i)),
]


def everything(me: OwnerService) -> list[str]:
    file = io.BytesIO()
    count = me.transfer.export_all(file)
    with zipfile.ZipFile(file) as archive:
        inside = {
            name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
        }
    assert count == sum(name.startswith("conversations/") for name in inside), (
        "the count includes other owners"
    )
    return list(inside.values())


LISTS: dict[str, Callable[[OwnerService], Any]] = {
    "conversations.latest": lambda me: me.conversations.latest(),
    "conversations.pinned": lambda me: me.conversations.pinned(),
    "conversations.deleted": lambda me: me.conversations.deleted(),
    "conversations.search": lambda me: me.conversations.search(WORD),
    "messages.conversation_of_sent": lambda me: me.messages.conversation_of_sent(
        f"A {WORD}?", timedelta(hours=1)
    ),
    "transfer.export_all": everything,
    "usage.report": lambda me: me.usage.report(),
    "transfer.export_job": lambda me: me.transfer.export_job(),
    "transfer.discard_export": lambda me: me.transfer.discard_export(),
    "transfer.import_job": lambda me: (job := me.transfer.import_job()) and job.report,
}

CREATES: dict[str, Callable[[OwnerService, Scene], Any]] = {
    "messages.send": lambda me, _: list(
        me.messages.follow(me.messages.send(None, Submission("Hello")).id)
    ),
    "transfer.import_": lambda me, scene: me.transfer.import_(io.BytesIO(scene.export), "a.json"),
    "transfer.begin_import": lambda me, scene: me.transfer.begin_import(
        io.BytesIO(b""), "a.json"
    ).wait(10),
    "transfer.begin_export": lambda me, scene: me.transfer.begin_export().wait(10),
    "sharing.continue_": lambda me, scene: me.sharing.continue_(scene.secret),
    "attachments.price": lambda me, _: me.attachments.price(None, [File("a.txt", b"x")]),
    "speech.transcribe": lambda me, _: me.speech.transcribe(File("a.wav", b"x")),
}


FOR_ADMINS: dict[str, Callable[[ChatService, Person], Any]] = {
    "admin.usage": lambda s, p: s.admin.usage(p),
    "admin.switch_off": lambda s, p: s.admin.switch_off(p, "scripted/two"),
    "admin.set_banner": lambda s, p: s.admin.set_banner(p, "Back at nine"),
    "admin.begin_backup": lambda s, p: s.admin.begin_backup(p).wait(10),
    "admin.backup": lambda s, p: s.admin.backup(p),
}

ABOUT_THE_CALLER = {
    "access.has_entered": "whether this owner has entered the code (test_access)",
    "access.enter": "grants this owner access (test_access)",
    "access.claim_visitor": "takes the cookie, which authenticates the visitor (test_access)",
    "access.is_earlier_visitor": "takes the cookie; whether it has data (test_access)",
    "access.is_signed_out": "takes the claims of a sign-in (test_access)",
    "access.sign_out": "takes the claims of a sign-in, and ends no other (test_access)",
}

WITHOUT_OWNER = {
    "access.load_keys": "the same for all; returns nothing",
    "access.visitor_key": "the key of the process; no page reads it",
    "sharing.open": "anyone with the secret of a link may read the snapshot (test_sharing)",
    "models.available": "the models on offer are the same for all",
    "models.get": "the same",
    "models.find": "the same",
    "models.label": "the same",
    "models.is_discovering": "the same",
    "models.own_key_providers": "configuration",
    "models.own_key": "validates typed values and keeps nothing",
    "models.own_models": "uses the key that is passed in",
    "models.discover_own_models": "the same",
    "speech.problem": "configuration",
    "admin.banner": "shown to everyone",
    "admin.switched_off": "shown to everyone",
    "admin.readiness": "one word about the database (test_health_and_metrics)",
    "admin.metrics": "numbers without names; the server checks the token",
}

OF_THE_PROCESS = {
    "as_owner",
    "settings",
    "temporary_space",
    "interrupt_abandoned",
    "purge_expired",
    "close",
}


@dataclass
class Scene:
    """The owner's data: a complete conversation, a running one and a deleted one."""

    service: ChatService
    provider: ScriptedProvider
    ids: dict[str, str]
    secret: str
    export: bytes
    hashes: list[str] = field(default_factory=list)

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return all rows, without the heartbeat and the text of a running reply."""
        found = {}
        with self.service.space.store.engine.connect() as connection:
            for table in Base.metadata.sorted_tables:
                columns = [column for column in table.columns if column.name != "heartbeat_at"]
                rows = connection.execute(select(*columns).order_by(*table.primary_key)).mappings()
                found[table.name] = [
                    {**row, "text": ""} if row.get("status") == "streaming" else dict(row)
                    for row in rows
                ]
        return found

    def settle(self) -> None:
        """Wait until all replies have ended."""
        self.provider.release()
        for kind in ("conversation", "running conversation"):
            running = self.service.space.store.messages.running(OWNER, self.ids[kind])
            for answer_id in running:
                list(self.service.as_owner(OWNER).messages.follow(answer_id))


def make_scene(url: str, provider: ScriptedProvider) -> Scene:
    service = open_chat({"DATABASE_URL": url}, providers=[provider])
    answer = service.as_owner(OWNER).messages.send(
        None, Submission(f"A {WORD}?", (File("animals.csv", SECRET),))
    )
    list(service.as_owner(OWNER).messages.follow(answer.id))
    question = service.as_owner(OWNER).conversations.open(answer.conversation_id).messages[0]
    share, secret = service.as_owner(OWNER).sharing.create(answer.conversation_id)
    deleted = service.as_owner(OWNER).messages.send(None, Submission("Forget me"))
    list(service.as_owner(OWNER).messages.follow(deleted.id))
    service.as_owner(OWNER).conversations.delete(deleted.conversation_id)
    export = service.as_owner(OWNER).transfer.export(answer.conversation_id, ExportFormat.JSON)
    service.as_owner(HOLDER).sharing.continue_(secret)
    provider.hold(at=1)
    running = service.as_owner(OWNER).messages.send(None, Submission("Take your time"))
    assert provider.held.wait(10)
    while not service.as_owner(OWNER).conversations.open(running.conversation_id).messages[-1].text:
        threading.Event().wait(0.01)  # the text is saved every second
    (attachment,) = question.attachments
    ids = {
        "conversation": answer.conversation_id,
        "running conversation": running.conversation_id,
        "deleted conversation": deleted.conversation_id,
        "question": question.id,
        "answer": answer.id,
        "running answer": running.id,
        "deleted answer": deleted.id,
        "attachment": attachment.id,
        "share": share.id,
    }
    hashes = [attachment.sha256, attachment.preview_sha256 or ""]
    return Scene(service, provider, ids, secret, export.data, hashes)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Shared by the tests on one database; the only test that changes it runs last."""
    provider = ScriptedProvider()
    if request.param == "sqlite":
        scene = make_scene(f"sqlite:///{tmp_path_factory.mktemp('db') / 'parley.db'}", provider)
        yield scene
        provider.release()
        scene.service.close()
        return
    with postgres_database(request.getfixturevalue("postgres")) as url:
        scene = make_scene(url, provider)
        yield scene
        provider.release()
        scene.service.close()


def outcome(call: Callable[..., Any], *arguments: object) -> tuple[type | None, str, str]:
    """Return what a caller can observe: type of the error, result or sentence, and code."""
    try:
        return None, repr(call(*arguments)), ""
    except ParleyError as error:
        return type(error), error.sentence, error.code


def public_names(class_: type) -> set[str]:
    return {name for name in vars(class_) if not name.startswith("_")}


def use_cases(service: ChatService) -> dict[str, Any]:
    """Return the services of an owner by attribute name."""
    return {
        name: value
        for name, value in vars(service.as_owner(OWNER)).items()
        if type(value).__module__.startswith("chat.services.")
    }


def test_every_public_method_has_a_row(scene: Scene) -> None:
    found = {
        f"{attribute}.{name}"
        for attribute, value in use_cases(scene.service).items()
        for name in public_names(type(value))
    }
    rows = {row.method for row in TAKES_ID} | set(LISTS) | set(CREATES) | set(FOR_ADMINS)
    assert found == rows | set(ABOUT_THE_CALLER) | set(WITHOUT_OWNER)
    assert public_names(ChatService) == OF_THE_PROCESS


@pytest.mark.parametrize("who", OTHER_CALLERS)
def test_ids_of_another_owner_behave_like_unknown_ids(scene: Scene, who: str) -> None:
    caller, before = OTHER_CALLERS[who], scene.dump()
    tried = [*scene.ids.items(), *(("hash", each) for each in scene.hashes)]
    tried += [("secret of the link", scene.secret), ("owner", OWNER)]
    is_thorough = who == "another visitor"  # tries every id with every method
    for row in TAKES_ID:
        missing = outcome(row.call, scene.service.as_owner(caller), new_id())
        assert missing[0] is NotFound, row.method
        for kind, id_ in tried if is_thorough else [(row.kind, scene.ids[row.kind])]:
            found = outcome(row.call, scene.service.as_owner(caller), id_)
            assert found == missing, f"{row.method} with the {kind}"
        assert scene.dump() == before, f"{row.method} changed something"
    assert (
        scene.service.as_owner(OWNER)
        .conversations.open(scene.ids["running conversation"])
        .running_id
    ), "the reply was stopped"


@pytest.mark.parametrize("who", OTHER_CALLERS)
def test_lists_contain_no_data_of_other_owners(scene: Scene, who: str) -> None:
    theirs = [*scene.ids.values(), *scene.hashes, "okapi"]
    for name, call in LISTS.items():
        found = outcome(call, scene.service.as_owner(OTHER_CALLERS[who]))
        assert not any(each in found[1] for each in theirs), name
        if OTHER_CALLERS[who] != HOLDER:
            nothing = outcome(call, scene.service.as_owner("visitor:new"))
            assert _undated(found[1]) == _undated(nothing[1]), name


def _undated(text: str) -> str:
    """Return `text` without the timestamps of an export."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+Z?", "", text)


@pytest.mark.parametrize("who", OTHER_CALLERS)
def test_created_data_belongs_to_the_caller_and_requires_an_owner(scene: Scene, who: str) -> None:
    caller = OTHER_CALLERS[who]
    mine = [scene.ids["conversation"], scene.ids["running conversation"]]
    scene.provider.say("Hello there.")
    for name, call in CREATES.items():
        before = scene.dump()
        views = [scene.service.as_owner(OWNER).conversations.open(id_) for id_ in mine]
        held, scene.provider.hold_at = scene.provider.hold_at, None  # pause no further reply
        found = outcome(call, scene.service.as_owner(caller), scene)
        scene.provider.hold_at = held
        if caller:
            assert found[0] in (None, TranscriptionUnavailable), f"{name}: {found}"
        else:
            assert found == (NotFound, NotFound.sentence, NotFound.code), name
            assert scene.dump() == before, f"{name} created data without an owner"
        assert [scene.service.as_owner(OWNER).conversations.open(id_) for id_ in mine] == views, (
            name
        )


@pytest.mark.parametrize("name", FOR_ADMINS)
def test_admin_methods_raise_not_found_for_others(scene: Scene, name: str) -> None:
    call, before = FOR_ADMINS[name], scene.dump()
    people = [Person(owner) for owner in (OWNER, *OTHER_CALLERS.values())]
    for person in (*people, Person("", is_admin=True)):
        found = outcome(call, scene.service, person)
        assert found == (NotFound, NotFound.sentence, NotFound.code)
    assert scene.dump() == before
    assert outcome(call, scene.service, Person("account:root", is_admin=True))[0] is None


def test_import_cannot_reference_a_file_by_its_hash(scene: Scene) -> None:
    """An import must contain its files: their hashes are not sufficient."""
    export = json.loads(scene.export)
    assert set(scene.hashes) == set(export.pop("contents"))
    stolen = io.BytesIO(json.dumps(export).encode())
    report = scene.service.as_owner("visitor:thief").transfer.import_(stolen, "a.json")
    taken = report.items[0].conversation_id
    assert taken and taken != scene.ids["conversation"]
    messages = scene.service.as_owner("visitor:thief").conversations.open(taken).messages
    assert [each.attachments for each in messages] == [()] * len(messages)


def test_owner_can_call_every_method(scene: Scene) -> None:
    for name, call in LISTS.items():
        found = outcome(call, scene.service.as_owner(OWNER))
        assert found[0] is None, f"{name}: {found}"
    for row in TAKES_ID:
        found = outcome(row.call, scene.service.as_owner(OWNER), scene.ids[row.kind])
        assert found[0] is None, f"{row.method}: {found}"
        if row.method.removeprefix("messages.") in {"stop", "continue_", "send", "retry", "edit"}:
            scene.settle()
