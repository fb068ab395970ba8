"""Nobody reaches what is somebody else's: every method of the service × everybody who may call it.

The tables below are the matrix. A new public method needs a row in one of them, or this fails:

- `TOUCHES`: takes an id. Each row is called by each stranger with each id of the owner's; the
  answer must be the very one that an id which does not exist gives, and nothing may change. Then
  the owner calls it with the right one, from top to bottom, and succeeds.
- `LISTS`: takes only the owner, and gives what is theirs.
- `MAKES`: makes something for whoever calls, which nobody who is not signed in may do.
- `FOR_ADMINS`: takes a `Person`; to all but admins there is no such thing.
- `ABOUT_THE_CALLER`, `WITHOUT_OWNER`: a reason why there is nothing to keep apart.
"""

from __future__ import annotations

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
HOLDER = "visitor:holder"  # has the link to a snapshot, and has made a copy of it
STRANGERS = {
    "another visitor": "visitor:bob",
    "another account": "account:bob",
    "whoever is signed out": "",
    "the holder of a link": HOLDER,
}
WORD = "zebra"  # the owner writes it, and it stands in the snapshot
SECRET = b"animal,legs\nokapi,4\n"  # a file is never part of a snapshot
Call = Callable[[ChatService, str, str], Any]


@dataclass(frozen=True)
class Row:
    method: str
    kind: str  # which of the owner's ids is the right one
    call: Call


TOUCHES = [
    Row("conversations.open", "conversation", lambda s, o, i: s.as_owner(o).conversations.open(i)),
    Row("conversations.get", "conversation", lambda s, o, i: s.as_owner(o).conversations.get(i)),
    Row(
        "conversations.settings",
        "conversation",
        lambda s, o, i: s.as_owner(o).conversations.settings(i),
    ),
    *(
        Row(
            "transfer.export",
            "conversation",
            lambda s, o, i, form=form: s.as_owner(o).transfer.export(i, form),  # type: ignore[misc]
        )
        for form in ExportFormat
        if not form.is_code
    ),
    Row("sharing.links", "conversation", lambda s, o, i: s.as_owner(o).sharing.links(i)),
    Row("attachments.content", "attachment", lambda s, o, i: s.as_owner(o).attachments.content(i)),
    Row("attachments.preview", "attachment", lambda s, o, i: s.as_owner(o).attachments.preview(i)),
    Row(
        "attachments.price",
        "conversation",
        lambda s, o, i: s.as_owner(o).attachments.price(i, [File("a.txt", b"x")]),
    ),
    Row("messages.follow", "answer", lambda s, o, i: list(s.as_owner(o).messages.follow(i))),
    Row(
        "messages.follow", "running answer", lambda s, o, i: next(s.as_owner(o).messages.follow(i))
    ),
    Row("messages.stop", "running conversation", lambda s, o, i: s.as_owner(o).messages.stop(i)),
    Row(
        "messages.continue_", "running answer", lambda s, o, i: s.as_owner(o).messages.continue_(i)
    ),
    Row(
        "messages.send",
        "conversation",
        lambda s, o, i: s.as_owner(o).messages.send(i, Submission("More")),
    ),
    Row("messages.retry", "answer", lambda s, o, i: s.as_owner(o).messages.retry(i)),
    Row("messages.edit", "question", lambda s, o, i: s.as_owner(o).messages.edit(i, "Other words")),
    Row(
        "messages.show_version", "question", lambda s, o, i: s.as_owner(o).messages.show_version(i)
    ),
    Row("messages.show", "answer", lambda s, o, i: s.as_owner(o).messages.show(i)),
    Row(
        "conversations.rename",
        "conversation",
        lambda s, o, i: s.as_owner(o).conversations.rename(i, "Mine"),
    ),
    Row("conversations.pin", "conversation", lambda s, o, i: s.as_owner(o).conversations.pin(i)),
    Row(
        "conversations.pin",
        "conversation",
        lambda s, o, i: s.as_owner(o).conversations.pin(i, is_pinned=False),
    ),
    Row(
        "conversations.change_settings",
        "conversation",
        lambda s, o, i: s.as_owner(o).conversations.change_settings(
            i, temperature=0.1, model="scripted/two"
        ),
    ),
    Row(
        "conversations.clear", "conversation", lambda s, o, i: s.as_owner(o).conversations.clear(i)
    ),
    Row(
        "conversations.unclear",
        "conversation",
        lambda s, o, i: s.as_owner(o).conversations.unclear(i, new_id()),
    ),
    Row("messages.delete", "answer", lambda s, o, i: s.as_owner(o).messages.delete(i)),
    Row("messages.undelete", "answer", lambda s, o, i: s.as_owner(o).messages.undelete(i)),
    Row("sharing.create", "conversation", lambda s, o, i: s.as_owner(o).sharing.create(i)),
    Row("sharing.revoke", "share", lambda s, o, i: s.as_owner(o).sharing.revoke(i)),
    Row(
        "conversations.undelete",
        "deleted conversation",
        lambda s, o, i: s.as_owner(o).conversations.undelete(i),
    ),
    Row(
        "conversations.delete",
        "conversation",
        lambda s, o, i: s.as_owner(o).conversations.delete(i),
    ),
    Row(
        "conversations.purge", "conversation", lambda s, o, i: s.as_owner(o).conversations.purge(i)
    ),
]


def everything(service: ChatService, owner: str) -> list[str]:
    file = io.BytesIO()
    count = service.as_owner(owner).transfer.export_all(file)
    with zipfile.ZipFile(file) as archive:
        inside = {
            name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
        }
    assert count == sum(name.startswith("conversations/") for name in inside), "it tells of others"
    return list(inside.values())


LISTS: dict[str, Callable[[ChatService, str], Any]] = {
    "conversations.latest": lambda s, o: s.as_owner(o).conversations.latest(),
    "conversations.pinned": lambda s, o: s.as_owner(o).conversations.pinned(),
    "conversations.deleted": lambda s, o: s.as_owner(o).conversations.deleted(),
    "conversations.search": lambda s, o: s.as_owner(o).conversations.search(WORD),
    "transfer.export_all": everything,
    "usage.report": lambda s, o: s.as_owner(o).usage.report(),
    "transfer.export_job": lambda s, o: s.as_owner(o).transfer.export_job(),
    "transfer.import_job": lambda s, o: (job := s.as_owner(o).transfer.import_job()) and job.report,
}

MAKES: dict[str, Callable[[ChatService, str, Scene], Any]] = {
    "messages.send": lambda s, o, _: list(
        s.as_owner(o).messages.follow(s.as_owner(o).messages.send(None, Submission("Hello")).id)
    ),
    "transfer.import_": lambda s, o, scene: s.as_owner(o).transfer.import_(
        io.BytesIO(scene.export), "a.json"
    ),
    "transfer.begin_import": lambda s, o, scene: (
        s.as_owner(o).transfer.begin_import(io.BytesIO(b""), "a.json").wait(10)
    ),
    "transfer.begin_export": lambda s, o, scene: s.as_owner(o).transfer.begin_export().wait(10),
    "sharing.continue_": lambda s, o, scene: s.as_owner(o).sharing.continue_(scene.secret),
    "attachments.price": lambda s, o, _: s.as_owner(o).attachments.price(
        None, [File("a.txt", b"x")]
    ),
    "speech.transcribe": lambda s, o, _: s.as_owner(o).speech.transcribe(File("a.wav", b"x")),
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
}

WITHOUT_OWNER = {
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
    """What the owner has: one conversation that is finished, one that runs, one that is deleted."""

    service: ChatService
    provider: ScriptedProvider
    ids: dict[str, str]
    secret: str
    export: bytes
    hashes: list[str] = field(default_factory=list)

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """All that is stored, except for the signs of life of a running reply, and its text."""
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
        """Let all replies come to their end."""
        self.provider.let_go()
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
        threading.Event().wait(0.01)  # what has come is saved within a second, and then stays
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
    """One for all tests of a database: the strangers change nothing, the owner comes last."""
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
    """How a call ends, as whoever calls can see it."""
    try:
        return None, repr(call()), ""
    except ParleyError as error:
        return type(error), error.sentence, error.code


def public_names(class_: type) -> set[str]:
    return {name for name in vars(class_) if not name.startswith("_")}


def use_cases(service: ChatService) -> dict[str, Any]:
    """The services of an owner by attribute."""
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
    rows = {row.method for row in TOUCHES} | set(LISTS) | set(MAKES) | set(FOR_ADMINS)
    assert found == rows | set(ABOUT_THE_CALLER) | set(WITHOUT_OWNER)
    assert public_names(ChatService) == OF_THE_PROCESS


@pytest.mark.parametrize("who", STRANGERS)
def test_another_owners_id_answers_as_one_that_does_not_exist(scene: Scene, who: str) -> None:
    stranger, before = STRANGERS[who], scene.dump()
    tried = [*scene.ids.items(), *(("hash", each) for each in scene.hashes)]
    tried += [("secret of the link", scene.secret), ("owner", OWNER)]
    is_thorough = who == "another visitor"  # tries ids of every kind in every place
    for row in TOUCHES:
        missing = outcome(lambda row=row: row.call(scene.service, stranger, new_id()))  # type: ignore[misc]
        assert missing[0] is NotFound, row.method
        for kind, id_ in tried if is_thorough else [(row.kind, scene.ids[row.kind])]:
            found = outcome(lambda row=row, id_=id_: row.call(scene.service, stranger, id_))  # type: ignore[misc]
            assert found == missing, f"{row.method} with the {kind}"
        assert scene.dump() == before, f"{row.method} changed something"
    assert (
        scene.service.as_owner(OWNER)
        .conversations.open(scene.ids["running conversation"])
        .running_id
    ), "it was stopped"


@pytest.mark.parametrize("who", STRANGERS)
def test_lists_hold_nothing_of_others(scene: Scene, who: str) -> None:
    theirs = [*scene.ids.values(), *scene.hashes, "okapi"]
    for name, call in LISTS.items():
        found = outcome(lambda call=call: call(scene.service, STRANGERS[who]))  # type: ignore[misc]
        assert not any(each in found[1] for each in theirs), name
        if STRANGERS[who] != HOLDER:
            nothing = outcome(lambda call=call: call(scene.service, "visitor:new"))  # type: ignore[misc]
            assert _undated(found[1]) == _undated(nothing[1]), name


def _undated(text: str) -> str:
    """Without the moment of an export."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+Z?", "", text)


@pytest.mark.parametrize("who", STRANGERS)
def test_what_others_make_is_theirs_and_nobody_makes_nothing(scene: Scene, who: str) -> None:
    stranger = STRANGERS[who]
    mine = [scene.ids["conversation"], scene.ids["running conversation"]]
    scene.provider.say("Hello there.")
    for name, call in MAKES.items():
        before = scene.dump()
        views = [scene.service.as_owner(OWNER).conversations.open(id_) for id_ in mine]
        held = scene.provider._hold_at
        scene.provider._hold_at = None  # only the reply that runs already waits
        found = outcome(lambda call=call: call(scene.service, stranger, scene))  # type: ignore[misc]
        scene.provider._hold_at = held
        if stranger:
            assert found[0] in (None, TranscriptionUnavailable), f"{name}: {found}"
        else:
            assert found == (NotFound, NotFound.sentence, NotFound.code), name
            assert scene.dump() == before, f"{name} made something of nobody's"
        assert [scene.service.as_owner(OWNER).conversations.open(id_) for id_ in mine] == views, (
            name
        )


@pytest.mark.parametrize("name", FOR_ADMINS)
def test_only_admins_find_what_is_for_admins(scene: Scene, name: str) -> None:
    call, before = FOR_ADMINS[name], scene.dump()
    people = [Person(owner) for owner in (OWNER, *STRANGERS.values())]
    for person in (*people, Person("", is_admin=True)):
        found = outcome(lambda person=person: call(scene.service, person))  # type: ignore[misc]
        assert found == (NotFound, NotFound.sentence, NotFound.code)
    assert scene.dump() == before
    assert outcome(lambda: call(scene.service, Person("account:root", is_admin=True)))[0] is None


def test_an_import_reaches_no_file_by_its_hash(scene: Scene) -> None:
    """The contents have to come along: knowing their hash is not having them."""
    export = json.loads(scene.export)
    assert set(scene.hashes) == set(export.pop("contents"))
    stolen = io.BytesIO(json.dumps(export).encode())
    report = scene.service.as_owner("visitor:thief").transfer.import_(stolen, "a.json")
    taken = report.items[0].conversation_id
    assert taken and taken != scene.ids["conversation"]
    messages = scene.service.as_owner("visitor:thief").conversations.open(taken).messages
    assert [each.attachments for each in messages] == [()] * len(messages)


def test_the_owner_succeeds(scene: Scene) -> None:
    for name, call in LISTS.items():
        found = outcome(lambda call=call: call(scene.service, OWNER))  # type: ignore[misc]
        assert found[0] is None, f"{name}: {found}"
    for row in TOUCHES:
        found = outcome(lambda row=row: row.call(scene.service, OWNER, scene.ids[row.kind]))  # type: ignore[misc]
        assert found[0] is None, f"{row.method}: {found}"
        if row.method.removeprefix("messages.") in {"stop", "continue_", "send", "retry", "edit"}:
            scene.settle()
