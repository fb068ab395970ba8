"""What goes out: Markdown, JSON, things to run elsewhere, everything in one zip; and back again."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from chat.domain.attachment import Attachment, FileKind
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.ids import new_id, storable
from chat.domain.message import Failure, Message, Role, Status, Usage
from chat.errors import NotFound
from chat.formats.code_snippets import ApiCall, ApiEndpoint, find_endpoint
from chat.formats.conversation import ClearMark, Node, PortableConversation
from chat.formats.export import ExportFormat, export, export_call, file_stem
from chat.formats.import_report import ImportOutcome, ImportReport
from chat.formats.importing.importer import import_file
from chat.formats.markdown import contained, line, to_markdown
from chat.formats.parley import archive
from chat.formats.parley.conversation_json import from_json, to_json, with_contents
from chat.providers.base import Picture, Request, Turn
from chat.providers.tokenizer import Tokenizer
from chat.store import Store
from chat.store.transfer import PortableStore
from tests.support.chatgpt_samples import empty, one_database
from tests.support.llm_server import LLMServer, Script

ME, OTHER = "visitor:me", "visitor:other"
ANSWER = "All is well."
KEY = "sk-test-0123456789abcdef"
HOSTILE = (
    '\'; touch /tmp/x; echo \'""" $(id) `id` \\ \n\r\t\x1b[0m \u202e # coding: utf-7 ü €\u2028'
)
BEGUN = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    with one_database(request, tmp_path_factory) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Iterator[Store]:
    yield database
    empty(database)


@pytest.fixture
def portable(store: Store) -> PortableStore:
    return PortableStore(store.engine)


def png() -> bytes:
    data = BytesIO()
    Image.new("RGB", (3, 2), "red").save(data, "PNG")
    return data.getvalue()


PIECES = {
    hashlib.sha256(data).hexdigest(): data
    for data in (
        png(),
        b"The password is swordfish.",
        b"a,b\n1,2\n",
        b'{"sheets": [{"name": "", "columns": ["a", "b"], "rows": [["1", "2"]]}]}',
    )
}
PNG, NOTES, CSV, PREVIEW = PIECES


def files(message_id: str) -> tuple[Attachment, ...]:
    picture = Attachment(
        "", message_id, "cat.png", FileKind.IMAGE, "image/png", 99, "3 × 2", 85, False, PNG
    )
    notes = Attachment(
        "",
        message_id,
        "notes.txt",
        FileKind.DOCUMENT,
        "text/plain",
        26,
        "text",
        9,
        True,
        NOTES,
        NOTES,
    )
    table = Attachment(
        "",
        message_id,
        "t.csv",
        FileKind.TABLE,
        "text/csv",
        8,
        "",
        7,
        False,
        CSV,
        CSV,
        PREVIEW,
        True,
    )
    return picture, notes, table


def merge_all(portable: PortableStore, owner: str, *conversations: PortableConversation) -> None:
    for conversation in conversations:
        report = portable.merge(owner, conversation, Tokenizer().count)
        assert report.outcome is ImportOutcome.ADDED
        assert report.notes == ()


def archived(portable: PortableStore, owner: str = ME) -> bytes:
    data = BytesIO()
    conversations = (portable.load(owner, id_) for id_ in portable.ids(owner))
    archive.write(data, conversations, lambda: None)
    return data.getvalue()


def take(portable: PortableStore, data: bytes, owner: str = ME) -> ImportReport:
    count = Tokenizer().count
    return import_file(
        BytesIO(data), "x", lambda conversation: portable.merge(owner, conversation, count)
    )


def sample(place: int = 0) -> PortableConversation:
    """Two questions, one of them asked twice, files, a failure, a deleted answer, a mark."""
    ids = [new_id() for _ in range(6)]
    at = BEGUN + timedelta(days=place)

    def message(number: int, above: int | None, role: Role, text: str, **more: Any) -> Message:
        parent = ids[above] if above is not None else None
        values = {"tokens": len(text) // 3, "status": Status.COMPLETE, **more}
        depth = {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3}[number]
        return Message(ids[number], "", parent, depth, role, text, created_at=at, **values)

    nodes = (
        Node(message(0, None, Role.USER, "What is this?", attachments=files(ids[0]))),
        Node(
            message(
                1,
                0,
                Role.ASSISTANT,
                "A *cat*.",
                model="openai/gpt-5",
                reasoning="Looks like one.",
                reasoning_ms=12,
                finish_reason="stop",
                usage=Usage(5, 2, True),
                first_token_ms=3,
                total_ms=40,
            ),
            resume_leaf_id=ids[5],
        ),
        Node(
            message(
                2,
                0,
                Role.ASSISTANT,
                "",
                status=Status.FAILED,
                failure=Failure("rate_limited", "Wait.", "429", at + timedelta(seconds=9)),
                replaces_id=ids[1],
            )
        ),
        Node(message(3, 1, Role.USER, "Thanks")),
        Node(message(4, 1, Role.USER, "Really?", attachments=files(ids[4])[1:2])),
        Node(message(5, 4, Role.ASSISTANT, "Yes", status=Status.STOPPED, is_deleted=True)),
    )
    settings_ = ReplySettings("openai/gpt-5", 0.5, "Be kind.", 100)
    conversation = Conversation(
        new_id(), "", f"Cats {place}", settings_, ids[5], (), at, at + timedelta(hours=1)
    )
    marks = (ClearMark(ids[1], at + timedelta(minutes=1)),)
    pinned = at if place else None
    return PortableConversation(conversation, nodes, marks, pinned_at=pinned, content=PIECES.get)


# --- there and back ------------------------------------------------------------------------------


def test_everything_goes_out_and_comes_back_the_same(portable: PortableStore, store: Store) -> None:
    merge_all(portable, ME, sample(0), sample(1))
    before = archived(portable)
    with zipfile.ZipFile(BytesIO(before)) as file:
        names = file.namelist()
        assert sum(name.startswith("contents/") for name in names) == len(PIECES)
        assert sum(name.startswith("conversations/") for name in names) == 2
    empty(store)
    report = take(portable, before, OTHER)
    assert [item.outcome for item in report.items] == [ImportOutcome.ADDED] * 2
    assert archived(portable, OTHER) == before
    assert report.notes == ()


def test_an_export_adds_nothing_where_it_came_from(portable: PortableStore) -> None:
    merge_all(portable, ME, sample(0), sample(1))
    before = archived(portable)
    report = take(portable, before)
    assert [item.outcome for item in report.items] == [ImportOutcome.UNCHANGED] * 2
    assert archived(portable) == before


def test_one_conversation_as_json_brings_its_files_along(
    portable: PortableStore, store: Store
) -> None:
    merge_all(portable, ME, sample())
    conversation = portable.load(ME, portable.ids(ME)[0])
    out = export(conversation, ExportFormat.JSON, {})
    value = json.loads(out.data)
    assert value["format"] == "parley.conversation"
    assert sorted(value["contents"]) == sorted(PIECES)
    assert base64.b64decode(value["contents"][NOTES]) == PIECES[NOTES]
    assert (out.name, out.media_type) == ("Cats-0.json", "application/json")
    empty(store)
    report = take(portable, out.data)
    assert [item.notes for item in report.items] == [()]
    assert (
        export(portable.load(ME, report.items[0].conversation_id or ""), ExportFormat.JSON, {})
        == out
    )


def test_a_missing_or_falsified_file_is_left_out_and_reported(portable: PortableStore) -> None:
    value = with_contents(sample())
    value["contents"][NOTES] = base64.b64encode(b"something else").decode()
    del value["contents"][PNG]
    report = take(portable, json.dumps(value).encode())
    assert report.items[0].notes == (
        "3 files are not in the export, or damaged, and were left out.",
    )
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    assert [file.name for file in conversation.nodes[0].message.attachments] == ["t.csv"]


def test_contents_of_others_cannot_be_had_by_their_hash(portable: PortableStore) -> None:
    merge_all(portable, OTHER, sample())
    report = take(portable, json.dumps(to_json(sample(1))).encode())
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    assert all(node.message.attachments == () for node in conversation.nodes)


def test_a_picture_that_is_none_and_a_preview_that_cannot_be_drawn_are_left_out(
    portable: PortableStore,
) -> None:
    value = with_contents(sample())
    page = b"<script>alert(1)</script>"
    bad = hashlib.sha256(page).hexdigest()
    value["contents"][bad] = base64.b64encode(page).decode()
    picture, _, table = value["messages"][0]["attachments"]
    picture["sha256"], table["preview_sha256"] = bad, bad
    report = take(portable, json.dumps(value).encode())
    conversation = portable.load(ME, report.items[0].conversation_id or "")
    notes, kept = conversation.nodes[0].message.attachments
    assert (notes.name, kept.name, kept.preview_sha256) == ("notes.txt", "t.csv", None)


def test_nobody_exports_what_is_not_theirs(portable: PortableStore) -> None:
    merge_all(portable, OTHER, sample())
    assert portable.ids(ME) == []
    with pytest.raises(NotFound):
        portable.load(ME, portable.ids(OTHER)[0])


TEXTS = st.text(max_size=20).map(storable)


@st.composite
def conversations(draw: st.DrawFn) -> PortableConversation:
    """Any tree that Parley may have stored."""
    count = draw(st.integers(1, 8))
    ids = [new_id() for _ in range(count)]
    nodes: list[Node] = []
    for place, id_ in enumerate(ids):
        above = nodes[draw(st.integers(0, place - 1))].message if place and draw(BOOL) else None
        role = draw(st.sampled_from(Role))
        text = draw(TEXTS)
        likely = st.integers(min(1, len(text)), max(1, len(text)))
        done = [status for status in Status if status is not Status.STREAMING]
        is_answer = role is Role.ASSISTANT
        message = Message(
            id_,
            "",
            above.id if above else None,
            above.depth + 1 if above else 0,
            role,
            text,
            draw(st.sampled_from(done)) if is_answer else Status.COMPLETE,
            BEGUN - draw(st.timedeltas(timedelta(), timedelta(days=9000))),
            tokens=draw(likely) if text else 0,
            is_exact=draw(BOOL),
            reasoning=draw(TEXTS),
            model=draw(st.none() | st.just("a/b")),
            replaces_id=draw(st.none() | st.sampled_from(ids)),
            is_deleted=draw(BOOL),
            attachments=files(id_)[: draw(st.integers(0, 3))] if not is_answer else (),
        )
        nodes.append(Node(message, draw(st.none() | st.just(f"x:{place}"))))
    nodes = [
        Node(node.message, node.origin, draw(st.none() | st.sampled_from(ids))) for node in nodes
    ]
    nodes.sort(key=lambda node: (node.message.depth, node.message.id))
    conversation = Conversation(
        new_id(),
        "",
        draw(st.sampled_from(["A title", "# *Odd* `title` <b>", "日本", "x" * 60])),
        ReplySettings(None, draw(st.none() | st.floats(0, 2)), draw(TEXTS), None),
        draw(st.sampled_from(ids)),
        (),
        BEGUN,
        BEGUN,
    )
    marked = draw(st.sets(st.sampled_from(ids), max_size=2))
    marks = tuple(
        ClearMark(id_, BEGUN + timedelta(seconds=place)) for place, id_ in enumerate(sorted(marked))
    )
    return PortableConversation(conversation, tuple(nodes), marks, content=PIECES.get)


BOOL = st.booleans()
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(conversations())
def test_any_tree_survives_json(conversation: PortableConversation) -> None:
    value = json.loads(export(conversation, ExportFormat.JSON, {}).data)
    back = from_json(value, datetime.now(UTC))
    assert back.notes == ()
    assert sorted(map(repr, to_json(back)["messages"])) == sorted(
        map(repr, to_json(conversation)["messages"])
    )
    assert {**to_json(back), "messages": []} == {**to_json(conversation), "messages": []}


@settings(max_examples=8, deadline=None, suppress_health_check=SLOW)
@given(st.lists(conversations(), min_size=1, max_size=3))
def test_any_trees_survive_the_way_through_two_databases(
    portable: PortableStore, store: Store, many: list[PortableConversation]
) -> None:
    empty(store)
    merge_all(portable, ME, *many)
    first = archived(portable)
    assert {item.outcome for item in take(portable, first).items} == {ImportOutcome.UNCHANGED}
    assert {item.outcome for item in take(portable, first, OTHER).items} == {ImportOutcome.ADDED}
    assert {item.outcome for item in take(portable, first, OTHER).items} == {
        ImportOutcome.UNCHANGED
    }
    empty(store)
    assert {item.outcome for item in take(portable, first, OTHER).items} == {ImportOutcome.ADDED}
    assert archived(portable, OTHER) == first


# --- Markdown ------------------------------------------------------------------------------------


def test_markdown_holds_the_path_in_view() -> None:
    text = to_markdown(sample(), {"openai/gpt-5": "gpt-5 · OpenAI"})
    assert text.startswith("# Cats 0\n\n## You\n\n*Attached: cat\\.png (3 × 2)*")
    assert "## Assistant · gpt\\-5 · OpenAI\n\n> *Reasoning*\n>\n> Looks like one." in text
    assert "A *cat*." in text
    assert text.index("A *cat*.") < text.index("context begins afresh") < text.index("Really?")
    assert "Thanks" not in text  # another version
    assert "Yes" not in text  # deleted


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("```py\nx", "```py\nx\n```"),
        ("~~~~\n~~~\n```", "~~~~\n~~~\n```\n~~~~"),
        ("```a`b``` x", "```a`b``` x"),
        ("<!-- gone", "&lt;!-- gone"),
        ("a <details> b", "a &lt;details> b"),
        ("`<b>` <b> ``<i>`` `<u>", "`<b>` &lt;b> ``<i>`` `&lt;u>"),
        ("<https://example.com> 1 < 2", "<https://example.com> 1 < 2"),
        ("```\n<b>\n```\n<b>", "```\n<b>\n```\n&lt;b>"),
    ],
)
def test_a_message_ends_where_it_ends(text: str, result: str) -> None:
    assert contained(text) == result


def test_hostile_names_stay_on_their_line() -> None:
    assert line("a\n# b](x) <img src=y> `c`") == r"a \# b\]\(x\) &lt;img src=y\> \`c\`"


@pytest.mark.parametrize(
    ("title", "stem"),
    [("../../etc/passwd", "etc-passwd"), ("CON", "conversation"), ("…", "conversation")],
)
def test_a_file_is_named_safely(title: str, stem: str) -> None:
    assert file_stem(title) == stem


# --- to be run elsewhere -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer(api_key=KEY) as server:
        server.default = Script(text=ANSWER, fault="json")  # all of it in one piece
        yield server


def call_for(
    server: LLMServer, *, key: str | None = "OPENAI_API_KEY", picture: bytes = b""
) -> ApiCall:
    pictures = (Picture("image/png", picture),) if picture else ()
    turns = (
        Turn(Role.USER, HOSTILE),
        Turn(Role.ASSISTANT, "'''\nEND_OF_REQUEST\n"),
        Turn(Role.USER, "And now?", pictures),
    )
    request = Request("gpt-5", turns, system_prompt=HOSTILE, temperature=0.25, max_tokens=77)
    return ApiCall(HOSTILE, ApiEndpoint("OpenAI", server.base_url, key), request)


def check_arrived(server: LLMServer, call: ApiCall) -> None:
    asked = server.requests[-1].body
    assert {name: asked[name] for name in call.body} == call.body


def run(command: list[str], folder: Path, **more: Any) -> str:
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY, "NO_PROXY": "*"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, **more
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_gets_the_answer(server: LLMServer, tmp_path: Path) -> None:
    call = call_for(server, picture=png())
    out = export_call(call, ExportFormat.SCRIPT)
    assert KEY.encode() not in out.data
    (tmp_path / "ask.py").write_bytes(out.data)
    assert run([sys.executable, "ask.py"], tmp_path).strip() == ANSWER
    check_arrived(server, call)


def test_the_notebook_gets_the_answer(server: LLMServer, tmp_path: Path) -> None:
    call = call_for(server)
    notebook = json.loads(export_call(call, ExportFormat.NOTEBOOK).data)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            wanted |= {"execution_count", "outputs"}
        assert set(cell) == wanted
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    run_cells = f"space = {{}}\nfor cell in {code!r}:\n    exec(cell, space)"
    (tmp_path / "cells.py").write_text(run_cells, "utf-8")
    assert ANSWER in run([sys.executable, "cells.py"], tmp_path)
    check_arrived(server, call)


@pytest.mark.parametrize("size", [0, 200_000], ids=["argument", "here document"])
def test_the_curl_line_gets_the_answer(server: LLMServer, tmp_path: Path, size: int) -> None:
    call = call_for(server, picture=png() + b"x" * size if size else b"")
    text = export_call(call, ExportFormat.CURL).data.decode()
    assert KEY not in text
    if not size:
        arguments = shlex.split(text.replace("\\\n", ""))
        assert arguments[0] == "curl"
        assert json.loads(arguments[-1]) == call.body
    if not shutil.which("curl"):
        pytest.skip("curl is not installed: only its arguments were checked")
    assert ANSWER in run(["sh"], tmp_path, input=text)
    check_arrived(server, call)


def test_no_key_is_asked_for_where_none_is_needed(server: LLMServer) -> None:
    call = call_for(server, key=None)
    for form in (ExportFormat.SCRIPT, ExportFormat.NOTEBOOK, ExportFormat.CURL):
        text = export_call(call, form).data.decode()
        assert "environ" not in text
        assert "Authorization" not in text


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text())
def test_any_text_is_quoted_safely(title: str, text: str) -> None:
    request = Request("m", (Turn(Role.USER, text),), system_prompt=title)
    call = ApiCall(title, ApiEndpoint("X", "http://x/v1", "X_API_KEY"), request)
    script = export_call(call, ExportFormat.SCRIPT).data.decode()
    found = next(node for node in ast.parse(script).body if isinstance(node, ast.Assign))
    assert ast.literal_eval(found.value) == call.body["messages"]
    curl = export_call(call, ExportFormat.CURL).data.decode()
    assert json.loads(shlex.split(curl.replace("\\\n ", " "))[-1]) == call.body
    json.loads(export_call(call, ExportFormat.NOTEBOOK).data)


def test_the_address_is_that_of_the_provider_without_its_secrets() -> None:
    values = {
        "OPENAI_API_KEY": "sk-1",
        "OLLAMA_BASE_URL": "http://me:secret@host:1/v1",
        "providers": {
            "my.lab": {"base_url": "https://u:p@lab.example/v1?key=s", "api_key": "k"},
            "open": {"base_url": "http://open.example/v1"},
        },
    }
    openai = find_endpoint(values, "openai")
    assert openai == ApiEndpoint(
        "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY", "max_completion_tokens"
    )
    assert find_endpoint(values, "ollama") == ApiEndpoint("Ollama", "http://host:1/v1", None)
    lab = find_endpoint(values, "my.lab")
    assert lab == ApiEndpoint("my.lab", "https://lab.example/v1", "MY_LAB_API_KEY")
    assert find_endpoint(values, "open") == ApiEndpoint("open", "http://open.example/v1", None)
    assert find_endpoint(values, "guide") is None
    assert find_endpoint(values, "lmstudio") == ApiEndpoint(
        "LM Studio", "http://127.0.0.1:1234/v1", None
    )
