"""Untrusted imports: token counts and sizes from the file are ignored, and bombs are bounded."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import event

from chat import ChatService, File, Submission, open_chat
from chat.domain.attachment import Attachment
from chat.errors import RequestTooLarge, StorageFull
from chat.formats.import_report import ImportOutcome, ImportReport
from tests.support.import_samples import parley_export
from tests.support.scripted_provider import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"
Open = Callable[..., ChatService]


@pytest.fixture
def open_service(any_database_url: str, provider: ScriptedProvider) -> Iterator[Open]:
    opened: list[ChatService] = []

    def open_one(**config: Any) -> ChatService:
        config = {"DATABASE_URL": any_database_url, "MAX_FILE_MB": 1, **config}
        opened.append(open_chat(config, providers=[provider]))
        return opened[-1]

    yield open_one
    for service in opened:
        service.close()


def attachment(data: bytes, name: str = "a.txt", **fields: Any) -> dict[str, Any]:
    kind = "image" if name.endswith(("png", "jpg")) else "document"
    value = {"name": name, "kind": kind, "sha256": hashlib.sha256(data).hexdigest(), "tokens": 1}
    return value | {"size": 1, "media_type": "text/html", "is_exact": True, **fields}


def conversation(*files: dict[str, Any], **message: Any) -> dict[str, Any]:
    value = parley_export()
    value["messages"][0] |= {"attachments": list(files), **message}
    return value


def with_contents(value: dict[str, Any], *contents: bytes) -> bytes:
    encoded = {hashlib.sha256(each).hexdigest(): base64.b64encode(each) for each in contents}
    value["contents"] = {sha256: data.decode() for sha256, data in encoded.items()}
    return json.dumps(value).encode()


def archived(value: dict[str, Any], contents: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(f"contents/{name}", data)
        archive.writestr("conversations/c.json", json.dumps(value))
        archive.writestr("parley.json", "{}")
    return out.getvalue()


def import_(service: ChatService, data: bytes, owner: str = ME) -> ImportReport:
    return service.as_owner(owner).transfer.import_(BytesIO(data), "x")


def only_file(service: ChatService, report: ImportReport) -> Attachment:
    (item,) = report.items
    messages = service.as_owner(ME).conversations.open(item.conversation_id or "").messages
    (file,) = messages[0].attachments
    return file


def picture(width: int, height: int) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("word " * 20_000, 100),
        ("word " * 20_000, 0),
        ("word " * 20_000, -1),
        ("word " * 20_000, None),
        ("word " * 20_000, 10**15),
        ("漢" * 20_000, 100),
        (" " * 640_000 + ".", 1),
        ("\n" * 640_000 + ".", 1),
    ],
)
def test_tokens_of_imported_messages_are_counted(
    open_service: Open, text: str, tokens: int | None
) -> None:
    service = open_service()
    value = conversation(text=text, tokens=tokens, is_exact=True)
    (item,) = import_(service, json.dumps(value).encode()).items
    question, _ = service.as_owner(ME).conversations.open(item.conversation_id or "").messages
    assert 10_000 < question.tokens < 100_000


@pytest.mark.slow
def test_imported_conversation_cannot_exceed_the_request_limit(
    open_service: Open, provider: ScriptedProvider
) -> None:
    service = open_service(LIMIT_REQUEST_TOKENS=16_000)
    text = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(400_000))
    value = conversation(text=text, tokens=len(text) // 200)
    (item,) = import_(service, json.dumps(value).encode()).items
    answer = service.as_owner(ME).messages.send(item.conversation_id, Submission("go on"))
    list(service.as_owner(ME).messages.follow(answer.id))
    (request,) = provider.requests
    assert sum(len(turn.text) for turn in request.turns) < 100
    imported = service.as_owner(ME).conversations.open(item.conversation_id or "").messages[1]
    with pytest.raises(RequestTooLarge):
        service.as_owner(ME).messages.retry(imported.id)


@pytest.mark.parametrize("tokens", [0, 1, 85, 10**9])
@pytest.mark.parametrize("name", ["a.txt", "a.png"])
def test_attachment_metadata_is_determined_from_the_content(
    open_service: Open, name: str, tokens: int
) -> None:
    data = picture(1500, 1000) if name == "a.png" else b"word " * 10_000
    file = attachment(data, name, tokens=tokens, details="1 × 1" if name == "a.png" else "")
    service = open_service()
    found = only_file(service, import_(service, with_contents(conversation(file), data)))
    assert found.size == len(data)
    if name == "a.png":
        assert (found.tokens, found.details) == (2_000, "1,500 × 1,000")
        assert found.media_type == "image/png" and not found.is_exact
    else:
        assert 10_000 <= found.tokens < 20_000 and found.media_type == "text/plain"


def test_tokens_of_a_separate_text_are_counted(open_service: Open) -> None:
    data, text = b"short", b"word " * 10_000
    file = attachment(data, text_sha256=hashlib.sha256(text).hexdigest(), tokens=3)
    service = open_service()
    report = import_(service, with_contents(conversation(file), data, text))
    assert 10_000 <= only_file(service, report).tokens < 20_000


def test_picture_larger_than_parley_stores_is_left_out(open_service: Open) -> None:
    data = picture(3000, 10)
    service = open_service()
    report = import_(service, with_contents(conversation(attachment(data, "a.png")), data))
    assert report.items[0].notes


def zeros(count: int, size: int) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    contents = [b"%08d\n" % number * (size // 9) for number in range(count)]
    files = [attachment(data, f"{number}.txt") for number, data in enumerate(contents)]
    return files, {hashlib.sha256(each).hexdigest(): each for each in contents}


def many_names() -> bytes:
    """Return an archive of files with the same content under different names."""
    (file,), contents = zeros(1, 900_000)
    value = conversation(*({**file, "name": f"{number}.txt"} for number in range(100)))
    return archived(value, contents)


def nested() -> bytes:
    inner = archived(conversation(), {})
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("conversations.zip", inner)
    return out.getvalue()


def false_sizes(declared: int) -> bytes:
    """Return an archive that declares another size for its content in the directory."""
    (file,), contents = zeros(1, 5_000_000)
    data = bytearray(archived(conversation(file), contents))
    (actual,) = map(len, contents.values())
    return bytes(data.replace(actual.to_bytes(4, "little"), declared.to_bytes(4, "little")))


def files_of(count: int, size: int, **fields: str) -> bytes:
    files, contents = zeros(count, size)
    return archived({**conversation(*files), **fields}, contents)


def long_conversations() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(60):
            value = parley_export(id=f"{number:014x}{0:016x}")
            value["messages"][0]["text"] = "a" * 900_000
            archive.writestr(f"conversations/{number}.json", json.dumps(value))
        archive.writestr("parley.json", "{}")
    return out.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "large files": lambda: files_of(4, 20_000_000),
    "many files": lambda: files_of(90, 990_000),
    "one content under many names": many_names,
    "a zip in a zip": nested,
    "sizes declared too small": lambda: false_sizes(1_000),
    "sizes declared too large": lambda: false_sizes(900_000_000),
    "texts": long_conversations,
    "a long text": lambda: json.dumps(conversation(text="a" * 1_100_000)).encode(),
    "base64": lambda: with_contents(conversation(attachment(b"0" * 3_000_000)), b"0" * 3_000_000),
    "depth": lambda: b'{"format": "parley.conversation", "messages": ' + b"[" * 10**6,
}


SLOW_BOMBS = ("many files", "one content under many names")


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(bomb, id=name, marks=[pytest.mark.slow] if name in SLOW_BOMBS else [])
        for name, bomb in BOMBS.items()
    ],
)
def test_bomb_stores_little(open_service: Open, bomb: Callable[[], bytes]) -> None:
    service = open_service()
    report = import_(service, bomb())
    assert service.space.store.contents.stored_bytes(ME) < 40_000_000
    assert report.items[0].sentence


def test_files_within_the_limits_are_imported(open_service: Open) -> None:
    service = open_service()
    report = import_(service, files_of(5, 990_000))
    (item,) = report.items
    assert (item.outcome, item.notes) == (ImportOutcome.ADDED, ())
    assert service.space.store.contents.stored_bytes(ME) > 4_900_000


def test_owner_cannot_import_more_than_may_be_stored(open_service: Open) -> None:
    service = open_service(MAX_STORED_MB=2)
    first = import_(service, files_of(1, 990_000))
    second = import_(service, files_of(3, 900_000, id="b"))
    assert first.items[0].outcome is ImportOutcome.ADDED
    assert second.items[0].outcome is ImportOutcome.REFUSED
    assert second.items[0].sentence == StorageFull("2.0 MB").sentence
    assert service.space.store.contents.stored_bytes(ME) < 1_000_000, "no file is left behind"
    assert import_(service, files_of(1, 980_000), OTHER).items[0].outcome is ImportOutcome.ADDED


def test_texts_count_towards_what_may_be_stored(open_service: Open) -> None:
    service = open_service(MAX_STORED_MB=1)
    outcomes = []
    for number in range(3):
        value = conversation(text="a" * 400_000, id=f"{number + 7:014x}{0:016x}")
        value["id"] = f"{number + 20:014x}{0:016x}"
        outcomes.append(import_(service, json.dumps(value).encode()).items[0].outcome)
    assert outcomes == [ImportOutcome.ADDED, ImportOutcome.ADDED, ImportOutcome.REFUSED]


def test_repeated_import_needs_no_room(open_service: Open) -> None:
    service = open_service(MAX_STORED_MB=1)
    data = files_of(1, 900_000)
    outcomes = [import_(service, data).items[0].outcome for _ in range(2)]
    assert outcomes == [ImportOutcome.ADDED, ImportOutcome.UNCHANGED]


def test_upload_beyond_what_may_be_stored_is_refused(open_service: Open) -> None:
    me = open_service(MAX_STORED_MB=1).as_owner(ME)

    def upload(number: int) -> str:
        file = File(f"{number}.txt", b"%d" % number + b" " * 299_000 + b".")
        answer = me.messages.send(None, Submission("Read", (file,), may_truncate=True))
        list(me.messages.follow(answer.id))
        return answer.conversation_id

    first = upload(1)
    with pytest.raises(StorageFull):
        list(map(upload, range(2, 8)))
    me.conversations.purge(first)
    upload(9)


@pytest.mark.slow
def test_long_conversation_is_stored_in_short_transactions(open_service: Open) -> None:
    service = open_service()
    value = parley_export()
    value["messages"] = [
        {
            "id": f"m{number}",
            "parent_id": f"m{number - 1}" if number else None,
            "role": "assistant" if number % 2 else "user",
            "text": f"{number} " * 20_000,
            "replaces_id": "m1" if number == 3 else None,
            "resume_leaf_id": "m39" if number == 0 else None,
        }
        for number in range(40)
    ]
    value["leaf_id"] = "m39"
    commits: list[object] = []
    event.listen(service.space.store.engine, "commit", commits.append)
    data = json.dumps(value).encode()
    (item,) = import_(service, data).items
    assert (item.outcome, item.sentence) == (ImportOutcome.ADDED, "40 messages added.")
    assert len(commits) > 5
    found = service.as_owner(ME).conversations.open(item.conversation_id or "").messages
    assert len(found) == 40
    portable = service.space.store.portable.load(ME, item.conversation_id or "")
    ids = [node.message.id for node in portable.nodes]
    assert portable.nodes[3].message.replaces_id == ids[1]
    assert portable.nodes[0].resume_leaf_id == ids[39]
    assert import_(service, data).items[0].outcome is ImportOutcome.UNCHANGED


def test_interrupted_import_is_completed_by_the_next_one(
    open_service: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = open_service()
    value = parley_export()
    value["messages"][0]["text"] = "a b " * 50_000
    value["messages"][1]["text"] = "c d " * 50_000

    def die() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("chat.store.transfer.pause_between_writes", die)
        with pytest.raises(KeyboardInterrupt):
            import_(service, json.dumps(value).encode())
    assert service.as_owner(ME).conversations.latest() == []
    (item,) = import_(service, json.dumps(value).encode()).items
    messages = service.as_owner(ME).conversations.open(item.conversation_id or "").messages
    assert [len(message.text) for message in messages] == [200_000, 200_000]


@pytest.mark.slow
def test_import_does_not_delay_the_messages_of_others(open_service: Open) -> None:
    service = open_service()
    value = parley_export()
    value["messages"] = [
        {"id": f"m{number}", "role": "user", "text": f"word{number} " * 3_000}
        for number in range(300)
    ]
    job = service.as_owner(ME).transfer.begin_import(BytesIO(json.dumps(value).encode()), "x")
    pause = threading.Event()
    while job.is_running:
        answer = service.as_owner(OTHER).messages.send(None, Submission("Hi"))
        list(service.as_owner(OTHER).messages.follow(answer.id))
        pause.wait(0.05)
    assert job.report is not None and job.report.items[0].outcome is ImportOutcome.ADDED
