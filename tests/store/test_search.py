"""Full-text search: words, prefixes and CJK substrings of every version; filters and ranking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from chat import ChatService, File, Submission
from chat.domain.ids import new_id
from chat.domain.message import Status
from chat.domain.search_query import parse_query
from chat.domain.writes import NewAnswer, NewQuestion
from chat.store import Outcome, Store
from chat.store.search.hits import Hit
from tests.support.scripted_provider import ScriptedProvider
from tests.support.search import ask, change, find, marked, say

ME, OTHER = "visitor:me", "visitor:other"


def snippets(hits: list[Hit]) -> list[str]:
    return ["".join(piece for piece, _ in hit.snippet) for hit in hits]


# --- words -----------------------------------------------------------------------------------

SAMPLE = (
    "Hello Wörld, the École has a snake_case foo-bar; iPhone用 日本語テスト「東京。大学」"
    "コンピュータ 한국어를 Привет Ελλάδα ΟΔΟΣ x² 3.14 e\u0301clair v2.0.1"
)


@pytest.mark.parametrize(
    "typed",
    [
        "hello",
        "HELLO",
        "hell",
        "wörld",
        "world",
        "WORL",
        "ecole",
        "École",
        "snake",
        "case",
        "snake_ca",
        "foo-bar",
        "foo",
        "iphone",
        "iphone用",
        "用",
        "日",
        "日本",
        "本語",
        "日本語",
        "語テ",
        "テスト",
        "東京",
        "コンピュータ",
        "ピュ",
        "한국",
        "국어",
        "어",
        "Привет",
        "прив",
        "Ελλάδα",
        "ελλάδ",
        "οδος",
        "ΟΔΟΣ",
        "3.14",
        "éclair",
        "eclair",
        "v2.0",
    ],
)
def test_search_finds_words_prefixes_and_cjk_substrings(store: Store, typed: str) -> None:
    say(store, SAMPLE)
    [hit] = find(store, typed)
    assert marked(hit)
    assert find(store, typed, OTHER) == []


@pytest.mark.parametrize(
    "typed", ["ello", "日語", "本日", "hello nowhere", '"world hello"', "bar-foo"]
)
def test_search_does_not_find_absent_words(store: Store, typed: str) -> None:
    say(store, SAMPLE)
    assert find(store, typed) == []


def test_search_requires_all_words_and_treats_only_the_last_as_prefix(store: Store) -> None:
    say(store, "The quick brown fox")
    assert find(store, "fox qui") and find(store, "qu")
    assert not find(store, "qui fox") and not find(store, "qui ")
    assert not find(store, '"qui"')


def test_search_matches_every_prefix_of_a_word(store: Store) -> None:
    say(store, "An internationalisation question")
    for length in range(2, len("internationalisation") + 1):
        assert len(find(store, "internationalisation"[:length])) == 1


def test_phrase_search_requires_word_order(store: Store) -> None:
    say(store, "to be or not to be")
    assert find(store, '"not to be"') and find(store, '"or, NOT to"')
    assert not find(store, '"be not"')


@pytest.mark.slow
def test_search_indexes_the_beginning_of_very_long_messages(store: Store) -> None:
    long = (
        "zebra " + " ".join(f"word{number}" for number in range(200_000)) + " " + "日本" * 100_000
    )
    say(store, long, "漢字" * 150_000)
    assert find(store, "zebra") and find(store, "word9999") and find(store, "漢字")
    assert store.messages.path(ME, find(store, "zebra")[0].conversation_id, None, 1) == []


@pytest.mark.slow
def test_search_finds_other_words_of_a_message_with_an_extremely_long_word(store: Store) -> None:
    say(store, "before " + "x" * 3_000_000 + " after", "".join(map(chr, range(0x4E00, 0x9FA5))))
    assert find(store, "before") and find(store, "一丁") and find(store, "xxxxxxx")


# --- versions, running replies, deletions ----------------------------------------------------


def test_search_finds_every_version_of_a_message(store: Store) -> None:
    first = say(store, "original apricot", "about apricots")
    asked = store.messages.get(ME, first.parent_id or "")
    edited = store.messages.edit(
        ME, asked.id, NewQuestion("edited banana", 1, True), NewAnswer(new_id(), "m", "w")
    )
    store.replies.finish(edited.id, "w", Outcome(Status.COMPLETE, "cherry"))
    again = store.messages.retry(ME, edited.id, NewAnswer(new_id(), "m", "w"))
    store.replies.finish(again.id, "w", Outcome(Status.STOPPED, "damson"))
    for word, id_ in [
        ("original", asked.id),
        ("banana", edited.parent_id),
        ("cherry", edited.id),
        ("damson", again.id),
    ]:
        assert [hit.message_id for hit in find(store, word)] == [id_]


def test_search_finds_a_reply_only_after_its_end(store: Store) -> None:
    sent = ask(store, "question")
    store.replies.save(sent.id, "w", "elderberry so far", "")
    assert find(store, "elderberry") == []
    store.replies.finish(sent.id, "w", Outcome(Status.STOPPED, "elderberry so far"))
    assert len(find(store, "elderberry")) == 1
    store.replies.reopen(ME, NewAnswer(sent.id, "scripted/two", "w"))
    assert find(store, "elderberry") == []
    store.replies.finish(sent.id, "w", Outcome(Status.COMPLETE, "elderberry and fig"))
    assert [hit.model for hit in find(store, "elderberry fig")] == ["scripted/two"]


def test_search_hides_deleted_messages_until_they_are_restored(store: Store) -> None:
    answer = say(store, "question", "grape", title="Fruit bowl")
    store.messages.set_deleted(ME, answer.id, is_deleted=True)
    assert find(store, "grape") == []
    store.messages.set_deleted(ME, answer.id, is_deleted=False)
    assert len(find(store, "grape")) == 1
    store.conversations.set_deleted(ME, answer.conversation_id, is_deleted=True)
    assert find(store, "grape") == find(store, "fruit") == find(store, "is:pinned") == []
    store.conversations.set_deleted(ME, answer.conversation_id, is_deleted=False)
    assert len(find(store, "grape")) == len(find(store, "fruit")) == 1


def test_search_finds_titles_by_their_current_words(store: Store) -> None:
    sent = say(store, "hello there", title="Holiday plans")
    [hit] = find(store, "holi")
    assert (hit.message_id, hit.role, hit.title) == (None, None, "Holiday plans")
    assert hit.snippet == (("Holi", True), ("day plans", False))
    store.conversations.rename(ME, sent.conversation_id, "Travel 計画")
    assert find(store, "holiday") == []
    assert find(store, "travel") and find(store, "画")


def test_search_follows_a_change_of_owner(store: Store) -> None:
    sent = say(store, "honeydew melon", title="Melons 瓜")
    change(
        store,
        "UPDATE conversations SET owner = :to WHERE id = :id",
        to=OTHER,
        id=sent.conversation_id,
    )
    assert find(store, "honeydew") == find(store, "瓜") == []
    assert len(find(store, "honeydew", OTHER)) == len(find(store, "瓜", OTHER)) == 1


def test_message_text_cannot_forge_filter_tokens_of_another_owner(store: Store) -> None:
    forged = f"\ue000m{OTHER.encode().hex()} \ue000t{OTHER.encode().hex()} kiwi"
    say(store, forged, title=forged)
    assert find(store, "kiwi", OTHER) == []
    assert len(find(store, "kiwi")) == 2


# --- ranking, snippets, pages ----------------------------------------------------------------


def test_search_ranks_titles_first_then_relevance_then_recency(store: Store) -> None:
    once = say(store, "A lime among many other words that say something else", title="a")
    often = say(store, "lime lime lime", title="b")
    titled = say(store, "nothing", title="The lime")
    hits = find(store, "lime")
    assert [hit.conversation_id for hit in hits] == [
        titled.conversation_id,
        often.conversation_id,
        once.conversation_id,
    ]
    older, newer = say(store, "mango", title="c"), say(store, "mango", title="d")
    change(
        store,
        "UPDATE messages SET created_at = :at WHERE id = :id",
        at=(datetime.now(UTC) - timedelta(days=90)).strftime("%Y-%m-%d %H:%M:%S.%f"),
        id=newer.parent_id,
    )
    assert [h.message_id for h in find(store, "mango")] == [older.parent_id, newer.parent_id]


def test_search_limits_top_hits_per_conversation(store: Store) -> None:
    quiet = say(store, "A word about the nectarine and about many other things")
    loud = say(store, "nectarine " * 3)
    for _ in range(5):
        say(store, "nectarine " * 3, conversation=loud.conversation_id)
    hits = find(store, "nectarine")
    assert [hit.conversation_id for hit in hits].index(quiet.conversation_id) == 3
    assert len(hits) == 7


def test_search_pages_are_consecutive(store: Store) -> None:
    for number in range(12):
        say(store, f"olive {number}", title=f"olives {number}" if number % 4 == 0 else "t")
    whole = find(store, "oli", limit=50)
    assert len(whole) == 15
    assert find(store, "oli", limit=5) + find(store, "oli", limit=10, offset=5) == whole
    assert find(store, "oli", offset=15) == find(store, "oli", limit=0) == []


def test_snippet_shows_the_best_match_on_one_line(store: Store) -> None:
    say(store, "filler " * 300 + "\n\n the papaya\tand\r\n the quince " + "filler " * 300)
    [hit] = find(store, "quince papaya")
    [line] = snippets([hit])
    assert marked(hit) == ["papaya", "quince"]
    assert "the papaya and the quince filler" in line
    assert line.startswith("…") and line.endswith("…") and len(line) < 200
    assert "\n" not in line and "  " not in line


def test_snippet_is_taken_from_deep_inside_a_long_message(store: Store) -> None:
    say(store, "filler " * 5000 + "Pömegranate " + "filler " * 5000)
    assert marked(find(store, "pomegranate")[0]) == ["Pömegranate"]


# --- filters ---------------------------------------------------------------------------------


def test_model_filter_matches_parts_of_the_model_reference(store: Store) -> None:
    one = say(store, "raspberry", "raspberry one", model="openai/GPT-9")
    say(store, "raspberry", "raspberry two", model="local/llama")
    assert [h.message_id for h in find(store, "raspberry MODEL:gpt")] == [one.id]
    assert [h.message_id for h in find(store, "model:openai/")] == [one.id]
    assert len(find(store, "model:l")) == 1 and find(store, "raspberry model:unknown") == []
    assert len(find(store, "raspberry model:")) == 4


def test_before_and_after_filters_use_utc_days(store: Store) -> None:
    for moment in (
        "2023-12-31 23:59:59",
        "2024-01-01 00:00:00",
        "2024-02-29 12:00:00",
        "2025-03-01",
    ):
        sent = say(store, "strawberry")
        at = moment if " " in moment else f"{moment} 00:00:00"
        change(
            store,
            "UPDATE messages SET created_at = :at WHERE id = :id",
            at=f"{at}.000000" if store.engine.dialect.name == "sqlite" else f"{at}+00",
            id=sent.parent_id,
        )

    def days(typed: str) -> list[str]:
        return sorted(f"{hit.at:%Y-%m-%d}" for hit in find(store, typed) if hit.role == "user")

    for words in ("strawberry ", ""):
        assert days(words + "before:2024") == ["2023-12-31"]
        assert days(words + "after:2024 before:2025-01-01") == ["2024-01-01", "2024-02-29"]
        assert days(words + "After:2024-2-29 before:2024-03") == ["2024-02-29"]
        assert days(words + "after:2024-02-29") == ["2024-02-29", "2025-03-01"]
        assert days(words + "after:2025-03-02") == days(words + "before:2023-12-31") == []


def test_pinned_and_file_filters(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = make_service()
    store = service.space.store
    file = File("notes.txt", b"some notes")
    with_file = service.as_owner(ME).messages.send(None, Submission("tangerine", (file,)))
    "".join(piece.text for piece in service.as_owner(ME).messages.follow(with_file.id))
    plain = say(store, "tangerine")
    change(
        store,
        "UPDATE conversations SET pinned_at = created_at WHERE id = :id",
        id=plain.conversation_id,
    )
    assert [h.message_id for h in find(store, "tangerine has:file")] == [with_file.parent_id]
    assert [h.message_id for h in find(store, "has:FILE")] == [with_file.parent_id]
    assert [h.message_id for h in find(store, "tangerine is:pinned")] == [plain.parent_id]
    [hit] = find(store, "is:pinned")
    assert hit.is_pinned and hit.message_id is None and hit.conversation_id == plain.conversation_id
    assert find(store, "is:pinned has:file") == []


def test_search_with_filters_only_lists_the_newest_first(store: Store) -> None:
    ids = [say(store, f"ugli {number}", conversation=None).id for number in range(5)]  # type: ignore[arg-type]
    assert [hit.message_id for hit in find(store, "model:one", limit=3)] == ids[::-1][:3]
    assert [hit.message_id for hit in find(store, "model:one", offset=3)] == ids[::-1][3:]


# --- query parsing ---------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["", "   ", '"', '""', "!?…", "model:", "before: is: has:", "\0"])
def test_empty_query_finds_nothing(store: Store, typed: str) -> None:
    say(store, "something")
    assert parse_query(typed).is_empty
    assert find(store, typed) == []


HOSTILE = [
    'vanilla" OR "a',
    "vanilla* NOT x",
    "NEAR(vanilla, 2)",
    "words:vanilla",
    "{words} : vanilla",
    "^vanilla - + AND OR NOT",
    "vanilla & ! | ( ) <-> :* \\ '",
    "vanilla'; DROP TABLE messages; --",
    "vanilla\0null",
    "vanilla \ud800 \udfff",
    "\ue000m76 vanilla",
    "%s :owner :match vanilla %(x)s",
    "(" * 5000,
    "vanilla " * 2000,
    "日" * 10_000,
    '"' * 10_000,
    "model:% model:_ model:'",
    "before:0000 after:9999-99-99 before:2024-02-30",
    "before:0001 after:9999",
]


@pytest.mark.parametrize("typed", HOSTILE)
def test_search_treats_hostile_input_as_plain_words(store: Store, typed: str) -> None:
    say(store, "nothing of that kind")
    assert find(store, typed) == []
    assert len(find(store, "nothing")) == 1
