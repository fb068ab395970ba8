"""Messages that Parley's pages never send are refused before Streamlit obeys them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.app_session import AppSession

from pages.streamlit_patches import message_filter
from tests.support import patches

KINDS = [field.name for field in BackMsg.DESCRIPTOR.fields if field.containing_oneof]
OPERATIONS = [
    field.name
    for field in BackMsg.DESCRIPTOR.fields_by_name["backend_operation_request"].message_type.fields
    if field.message_type
]
NEEDED = {
    "rerun_script",
    "stop_script",
    "file_urls_request",
    "app_heartbeat",
    "backend_operation_request",
}


def message(kind: str, operation: str = "") -> BackMsg:
    made = BackMsg()
    if BackMsg.DESCRIPTOR.fields_by_name[kind].message_type is None:
        setattr(made, kind, True)
    else:
        getattr(made, kind).SetInParent()
    if operation:
        getattr(made.backend_operation_request, operation).SetInParent()
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_only_needed_messages_are_handled(kind: str) -> None:
    assert message_filter.is_needed(message(kind)) is (kind in NEEDED)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_only_needed_operations_are_handled(operation: str) -> None:
    made = message("backend_operation_request", operation)
    assert message_filter.is_needed(made) is (operation == "deferred_file")


@pytest.mark.parametrize(
    "data",
    [
        BackMsg(clear_cache=False).SerializeToString(),
        # The last of several fields counts.
        message("rerun_script").SerializeToString() + BackMsg(clear_cache=True).SerializeToString(),
        b"",
        b"\x9a\x06\x00",  # a field that this version does not know
    ],
)
def test_disguised_messages_are_refused(data: bytes) -> None:
    assert not message_filter.is_needed(BackMsg.FromString(data))


def test_number_of_upload_addresses_is_limited() -> None:
    made = message("file_urls_request")
    made.file_urls_request.file_names.extend(["x"] * 1000)
    assert message_filter.is_needed(made)
    made.file_urls_request.file_names.append("x")
    assert not message_filter.is_needed(made)


def test_patch_handles_needed_messages_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    handled: list[str | None] = []
    monkeypatch.setattr(
        message_filter, "_handle", lambda _session, msg: handled.append(msg.WhichOneof("type"))
    )
    patches.apply(monkeypatch, message_filter.replacements())
    session = cast(Any, object())
    for kind in KINDS:
        AppSession.handle_backmsg(session, message(kind))
    assert set(handled) == NEEDED
