"""Contents of attachments: reading in pieces, and the bytes that an owner has stored."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from sqlalchemy.orm import Session

from chat.errors import StorageFull
from chat.store import Store
from chat.store.contents import PIECE_BYTES
from chat.store.schema import ContentRow
from tests.support.import_samples import ME, OTHER, import_checks
from tests.support.portable_samples import CONTENTS, sample_conversation


def put(store: Store, data: bytes) -> str:
    digest = sha256(data).hexdigest()
    with Session(store.engine) as session, session.begin():
        session.add(ContentRow(sha256=digest, data=data, created_at=datetime.now(UTC)))
    return digest


@pytest.mark.parametrize("size", [1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 1])
def test_pieces_are_the_content(store: Store, size: int) -> None:
    data = os.urandom(size)
    pieces = list(store.contents.pieces(put(store, data)))
    assert b"".join(pieces) == data == store.contents.read(sha256(data).hexdigest())
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_missing_content_has_no_pieces(store: Store) -> None:
    assert list(store.contents.pieces("0" * 64)) == []
    assert store.contents.read("0" * 64) is None


def test_stored_bytes_count_each_file_once_and_texts_in_bytes(store: Store) -> None:
    assert store.contents.stored_bytes(ME) == 0
    portable = sample_conversation()
    store.portable.merge(ME, portable, import_checks())
    texts = sum(
        len((node.message.text + node.message.reasoning).encode()) for node in portable.nodes
    )
    files = sum(map(len, CONTENTS.values()))
    assert store.contents.stored_bytes(ME) == texts + files
    assert store.contents.stored_bytes(OTHER) == 0
    store.portable.merge(OTHER, sample_conversation(1), import_checks())
    assert store.contents.stored_bytes(ME) == texts + files


def test_room_is_required_up_to_the_limit(store: Store) -> None:
    store.contents.require_room(ME, 100, 100)
    with pytest.raises(StorageFull):
        store.contents.require_room(ME, 101, 100)
