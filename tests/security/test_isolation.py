"""Isolation of owners: every public method of the service, called by every other caller.

The tables below form the matrix. Each public method needs a row in one of them:

- `TOUCHES`: takes an id. Every other caller calls it with the owner's ids; the result must equal
  the result for an unknown id, and nothing may change. Then the owner calls it with the correct
  id, in the order of the table, and succeeds.
- `LISTS`: takes the owner only and returns the owner's data.
- `MAKES`: creates data for the caller, and refuses callers without an owner.
- `FOR_ADMINS`: takes a `Person` and raises `NotFound` for all but administrators.
- `ABOUT_THE_CALLER`, `WITHOUT_OWNER`: the reason why isolation does not apply.
"""

from __future__ import annotations

import inspect
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from chat import ChatService, ExportFormat, File, Person, Submission, open_chat
from chat.domain.ids import new_id
from chat.errors import NotFound, ParleyError, TranscriptionUnavailable
from chat.store.schema import Base
from tests.support.databases import postgres_database
from tests.support.scripted_provider import ScriptedProvider

OWNER = "visitor:ann"
HOLDER = "visitor:holder"  # has the link to a snapshot and has continued it in a copy
STRANGERS = {
    "another visitor": "visitor:bob",
    "another account": "account:bob",
    "a signed-out visitor": "",
    "the holder of a link": HOLDER,
}
WORD = "zebra"  # in the owner's message and in the snapshot
SECRET = b"animal,legs\nokapi,4\n"  # a file is never part of a snapshot
Call = Callable[[ChatService, str, str], Any]


@dataclass(frozen=True)
class Row:
    method: str
    kind: str  # kind of the id that the method expects
    call: Call


TOUCHES = [
    Row("open", "conversation", lambda s, o, i: s.open(o, i)),
    Row("conversation", "conversation", lambda s, o, i: s.conversation(o, i)),
    Row("settings_of", "conversation", lambda s, o, i: s.settings_of(o, i)),
    *(
        Row("export", "conversation", lambda s, o, i, form=form: s.export(o, i, form))  # type: ignore[misc]
        for form in ExportFormat
        if not form.is_code
    ),
    Row("shares", "conversation", lambda s, o, i: s.shares(o, i)),
    Row("file", "attachment", lambda s, o, i: s.file(o, i)),
    Row("preview", "attachment", lambda s, o, i: s.preview(o, i)),
    Row("price", "conversation", lambda s, o, i: s.price(o, i, [File("a.txt", b"x")])),
    Row("follow", "answer", lambda s, o, i: list(s.follow(o, i))),
    Row("follow", "running answer", lambda s, o, i: next(s.follow(o, i))),
    Row("stop", "running conversation", lambda s, o, i: s.stop(o, i)),
    Row("continue_", "running answer", lambda s, o, i: s.continue_(o, i)),
    Row("send", "conversation", lambda s, o, i: s.send(o, i, Submission("More"))),
    Row("retry", "answer", lambda s, o, i: s.retry(o, i)),
    Row("edit", "question", lambda s, o, i: s.edit(o, i, "Other words")),
    Row("show_version", "question", lambda s, o, i: s.show_version(o, i)),
    Row("show_message", "answer", lambda s, o, i: s.show_message(o, i)),
    Row("rename", "conversation", lambda s, o, i: s.rename(o, i, "Mine")),
    Row("pin", "conversation", lambda s, o, i: s.pin(o, i)),
    Row("pin", "conversation", lambda s, o, i: s.pin(o, i, is_pinned=False)),
    Row(
        "change_settings",
        "conversation",
        lambda s, o, i: s.change_settings(o, i, temperature=0.1, model="scripted/two"),
    ),
    Row("clear", "conversation", lambda s, o, i: s.clear(o, i)),
    Row("unclear", "conversation", lambda s, o, i: s.unclear(o, i, new_id())),
    Row("delete_message", "answer", lambda s, o, i: s.delete_message(o, i)),
    Row("undelete_message", "answer", lambda s, o, i: s.undelete_message(o, i)),
    Row("share", "conversation", lambda s, o, i: s.share(o, i)),
    Row("revoke", "share", lambda s, o, i: s.revoke(o, i)),
    Row("undelete", "deleted conversation", lambda s, o, i: s.undelete(o, i)),
    Row("delete", "conversation", lambda s, o, i: s.delete(o, i)),
    Row("purge", "conversation", lambda s, o, i: s.purge(o, i)),
]


def everything(service: ChatService, owner: str) -> list[str]:
    file = io.BytesIO()
    count = service.export_all(owner, file)
    with zipfile.ZipFile(file) as archive:
        inside = {
            name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
        }
    assert count == sum(name.startswith("conversations/") for name in inside), (
        "the count includes other owners"
    )
    return list(inside.values())


LISTS: dict[str, Callable[[ChatService, str], Any]] = {
    "conversations": lambda s, o: s.conversations(o),
    "pinned": lambda s, o: s.pinned(o),
    "deleted": lambda s, o: s.deleted(o),
    "search": lambda s, o: s.search(o, WORD),
    "export_all": everything,
    "usage": lambda s, o: s.usage(o),
    "import_job": lambda s, o: (job := s.import_job(o)) and job.report,
}

MAKES: dict[str, Callable[[ChatService, str, Scene], Any]] = {
    "send": lambda s, o, _: list(s.follow(o, s.send(o, None, Submission("Hello")).id)),
    "import_": lambda s, o, scene: s.import_(o, io.BytesIO(scene.export), "a.json"),
    "begin_import": lambda s, o, scene: s.begin_import(o, io.BytesIO(b""), "a.json").wait(10),
    "continue_shared": lambda s, o, scene: s.continue_shared(o, scene.secret),
    "price": lambda s, o, _: s.price(o, None, [File("a.txt", b"x")]),
    "transcribe": lambda s, o, _: s.transcribe(o, File("a.wav", b"x")),
}


def made_backup(service: ChatService, person: Person) -> bytes:
    if person.is_admin and person.owner:
        service.begin_backup(person).wait(10)
    return service.backup_content(person)


FOR_ADMINS: dict[str, Callable[[ChatService, Person], Any]] = {
    "usage_of_all": lambda s, p: s.usage_of_all(p),
    "switch_off": lambda s, p: s.switch_off(p, "scripted/two"),
    "set_banner": lambda s, p: s.set_banner(p, "Back at nine"),
    "begin_backup": lambda s, p: s.begin_backup(p).wait(10),
    "backup": lambda s, p: s.backup(p),
    "backup_content": lambda s, p: made_backup(s, p)[:6],
}

ABOUT_THE_CALLER = {
    "has_entered": "whether this owner has entered the code (test_access)",
    "enter": "lets this owner in (test_access)",
    "take_along": "asks for the cookie itself, which proves who calls (test_access)",
}

WITHOUT_OWNER = {
    "shared": "whoever has the secret of a link may see the snapshot (test_sharing)",
    "models": "what is on offer is the same for all",
    "model": "the same",
    "find_model": "the same",
    "model_label": "the same",
    "is_discovering": "the same",
    "voice_problem": "the configuration",
    "settings": "the configuration; no page shows it",
    "temporary": "another service with the same methods",
    "offer_temporary": "called when the process starts",
    "interrupt_abandoned": "marks replies whose process is gone, whosesoever",
    "purge_expired": "called when the process starts: removes what was deleted long ago",
    "purge_idle": "called by `temporary`: removes what is idle there",
    "begin_chore": "called when the process starts",
    "wait_for_close": "for what runs in the background",
    "banner": "everyone reads it",
    "switched_off": "everyone sees what is not on offer",
    "own_key_providers": "the configuration",
    "own_key": "makes a value of what was typed, and keeps nothing",
    "own_models": "asks with the key that is handed in",
    "discover_own_models": "the same",
    "readiness": "one word about the database (test_operating)",
    "metrics": "figures without anybody's name; the token is asked for by the server",
    "close": "called when the process ends",
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
        with self.service._store.engine.connect() as connection:
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
        self.provider.let_go()
        for kind in ("conversation", "running conversation"):
            running = self.service._store.messages.running(OWNER, self.ids[kind])
            for answer_id in running:
                list(self.service.follow(OWNER, answer_id))


def make_scene(url: str, provider: ScriptedProvider) -> Scene:
    service = open_chat({"DATABASE_URL": url}, providers=[provider])
    answer = service.send(OWNER, None, Submission(f"A {WORD}?", (File("animals.csv", SECRET),)))
    list(service.follow(OWNER, answer.id))
    question = service.open(OWNER, answer.conversation_id).messages[0]
    share, secret = service.share(OWNER, answer.conversation_id)
    deleted = service.send(OWNER, None, Submission("Forget me"))
    list(service.follow(OWNER, deleted.id))
    service.delete(OWNER, deleted.conversation_id)
    export = service.export(OWNER, answer.conversation_id, ExportFormat.JSON)
    service.continue_shared(HOLDER, secret)
    provider.hold(at=1)
    running = service.send(OWNER, None, Submission("Take your time"))
    assert provider.held.wait(10)
    while not service.open(OWNER, running.conversation_id).messages[-1].text:
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
    """Shared by the tests on one database; the test that changes it runs last."""
    provider = ScriptedProvider()
    if request.param == "sqlite":
        scene = make_scene(f"sqlite:///{tmp_path_factory.mktemp('db') / 'parley.db'}", provider)
        yield scene
        provider.let_go()
        scene.service.close()
        return
    with postgres_database(request.getfixturevalue("postgres")) as url:
        scene = make_scene(url, provider)
        yield scene
        provider.let_go()
        scene.service.close()


def outcome(call: Callable[[], Any]) -> tuple[type | None, str, str]:
    """Return what the caller can observe: the error's type, or the result, sentence and code."""
    try:
        return None, repr(call()), ""
    except ParleyError as error:
        return type(error), error.sentence, error.code


def public_methods() -> set[str]:
    names = {
        name
        for each in ChatService.__mro__
        for name in {**vars(each), **inspect.get_annotations(each)}
    }
    return {name for name in names if not name.startswith("_")}


def test_every_public_method_has_a_row() -> None:
    rows = {row.method for row in TOUCHES} | set(LISTS) | set(MAKES) | set(FOR_ADMINS)
    assert public_methods() == rows | set(ABOUT_THE_CALLER) | set(WITHOUT_OWNER)


@pytest.mark.parametrize("name", WITHOUT_OWNER)
def test_methods_without_owner_have_no_owner_parameter(name: str) -> None:
    found = getattr(ChatService, name, None)
    if inspect.isfunction(found):
        assert "owner" not in inspect.signature(found).parameters


@pytest.mark.parametrize("who", STRANGERS)
def test_ids_of_another_owner_behave_like_unknown_ids(scene: Scene, who: str) -> None:
    stranger, before = STRANGERS[who], scene.dump()
    tried = [*scene.ids.items(), *(("hash", each) for each in scene.hashes)]
    tried += [("secret of the link", scene.secret), ("owner", OWNER)]
    is_thorough = who == "another visitor"  # tries every id with every method
    for row in TOUCHES:
        missing = outcome(lambda row=row: row.call(scene.service, stranger, new_id()))  # type: ignore[misc]
        assert missing[0] is NotFound, row.method
        for kind, id_ in tried if is_thorough else [(row.kind, scene.ids[row.kind])]:
            found = outcome(lambda row=row, id_=id_: row.call(scene.service, stranger, id_))  # type: ignore[misc]
            assert found == missing, f"{row.method} with the {kind}"
        assert scene.dump() == before, f"{row.method} changed something"
    assert scene.service.open(OWNER, scene.ids["running conversation"]).running_id, (
        "the reply was stopped"
    )


@pytest.mark.parametrize("who", STRANGERS)
def test_lists_contain_no_data_of_other_owners(scene: Scene, who: str) -> None:
    theirs = [*scene.ids.values(), *scene.hashes, "okapi"]
    for name, call in LISTS.items():
        found = outcome(lambda call=call: call(scene.service, STRANGERS[who]))  # type: ignore[misc]
        assert not any(each in found[1] for each in theirs), name
        if STRANGERS[who] != HOLDER:
            nothing = outcome(lambda call=call: call(scene.service, "visitor:new"))  # type: ignore[misc]
            assert _undated(found[1]) == _undated(nothing[1]), name


def _undated(text: str) -> str:
    """Return `text` without the timestamps of an export."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+Z?", "", text)


@pytest.mark.parametrize("who", STRANGERS)
def test_created_data_belongs_to_the_caller_and_requires_an_owner(scene: Scene, who: str) -> None:
    stranger = STRANGERS[who]
    mine = [scene.ids["conversation"], scene.ids["running conversation"]]
    scene.provider.say("Hello there.")
    for name, call in MAKES.items():
        before = scene.dump()
        views = [scene.service.open(OWNER, id_) for id_ in mine]
        held = scene.provider._hold_at
        scene.provider._hold_at = None  # pauses the running reply only
        found = outcome(lambda call=call: call(scene.service, stranger, scene))  # type: ignore[misc]
        scene.provider._hold_at = held
        if stranger:
            assert found[0] in (None, TranscriptionUnavailable), f"{name}: {found}"
        else:
            assert found == (NotFound, NotFound.sentence, NotFound.code), name
            assert scene.dump() == before, f"{name} created data without an owner"
        assert [scene.service.open(OWNER, id_) for id_ in mine] == views, name


@pytest.mark.parametrize("name", FOR_ADMINS)
def test_admin_methods_raise_not_found_for_others(scene: Scene, name: str) -> None:
    call, before = FOR_ADMINS[name], scene.dump()
    people = [Person(owner) for owner in (OWNER, *STRANGERS.values())]
    for person in (*people, Person("", is_admin=True)):
        found = outcome(lambda person=person: call(scene.service, person))  # type: ignore[misc]
        assert found == (NotFound, NotFound.sentence, NotFound.code)
    assert scene.dump() == before
    assert outcome(lambda: call(scene.service, Person("account:root", is_admin=True)))[0] is None


def test_import_cannot_reference_a_file_by_its_hash(scene: Scene) -> None:
    """An import must contain the files: their hashes are not sufficient."""
    export = json.loads(scene.export)
    assert set(scene.hashes) == set(export.pop("contents"))
    stolen = io.BytesIO(json.dumps(export).encode())
    report = scene.service.import_("visitor:thief", stolen, "a.json")
    taken = report.items[0].conversation_id
    assert taken and taken != scene.ids["conversation"]
    messages = scene.service.open("visitor:thief", taken).messages
    assert [each.attachments for each in messages] == [()] * len(messages)


def test_owner_can_call_every_method(scene: Scene) -> None:
    for name, call in LISTS.items():
        found = outcome(lambda call=call: call(scene.service, OWNER))  # type: ignore[misc]
        assert found[0] is None, f"{name}: {found}"
    for row in TOUCHES:
        found = outcome(lambda row=row: row.call(scene.service, OWNER, scene.ids[row.kind]))  # type: ignore[misc]
        assert found[0] is None, f"{row.method}: {found}"
        if row.method in {"stop", "continue_", "send", "retry", "edit"}:
            scene.settle()
