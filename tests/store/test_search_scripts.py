"""Search in many scripts gives the same results on SQLite and PostgreSQL.

SQLite's tokenizer ends a word at every combining mark, such as a vowel sign or a tone, and
PostgreSQL at some marks, depending on the collation of its index function.
"""

from __future__ import annotations

import unicodedata

import pytest
from sqlalchemy import text

from chat.domain.search_query import Matcher, parse_query
from chat.domain.tokenization import MARKS, tokenize
from chat.store import Store
from tests.support.search import change, find, marked, say

SCRIPTS = {  # text | queries that must find it; * marks a prefix
    "Hindi": "हिन्दी में लिखा हुआ संदेश | हिन्दी | में | लिखा | हुआ | लिख* | लि* | में लिखा | संदे*",
    "Bengali": "আমার সোনার বাংলা, আমি তোমায় | বাংলা | সোনার | বাং* | তোমায় | তোমা*",
    "Tamil": "தமிழ் மொழியில் ஒரு கேள்வி | தமிழ் | தமிழ்* | மொழியில் | மொழி* | கேள்வி*",
    "Telugu": "తెలుగులో ఒక ప్రశ్న | తెలుగులో | తెలుగు* | ప్రశ్న",
    "Malayalam": "മലയാളത്തിൽ ഒരു ചോദ്യം | മലയാളത്തിൽ | മലയാ* | ചോദ്യം",
    "Gujarati": "ગુજરાતી ભાષા | ગુજરાતી | ગુજ* | ભાષા*",
    "Punjabi": "ਪੰਜਾਬੀ ਵਿੱਚ ਸਵਾਲ | ਪੰਜਾਬੀ | ਵਿੱਚ | ਸਵਾਲ*",
    "Sinhala": "සිංහල භාෂාව | සිංහල | භාෂාව* | භාෂා*",
    "Hebrew": "שָׁלוֹם עֲלֵיכֶם חברים | שָׁלוֹם | שָׁלוֹם* | עֲלֵיכֶם | חברים | חבר*",
    "Arabic": "السَّلامُ عَلَيْكُم يا صديقي | السَّلامُ | عَلَيْكُم | صديقي | صدي*",
    "Persian": "می‌خواهم فارسی بنویسم | می‌خواهم | فارسی | بنو*",
    "Urdu": "اُردو میں لکھا ہوا | اُردو | میں | لکھا",
    "Thai": "สวัสดีครับวันนี้อากาศดีมาก ขอบคุณ | สวัสดีครับวันนี้อากาศดีมาก* | สวัสดี* | ขอบคุณ",
    "Lao": "ສະບາຍດີ ຂອບໃຈ | ສະບາຍດີ | ສະບາຍ* | ຂອບໃຈ*",
    "Khmer": "សួស្តី ភាសាខ្មែរ | សួស្តី | ភាសាខ្មែរ* | ភាសា*",
    "Burmese": "မင်္ဂလာပါ မြန်မာစာ | မင်္ဂလာပါ | မြန်မာစာ* | မြန်မာ*",
    "Tibetan": "བོད་སྐད་ ཡིག | བོད་སྐད་ | སྐད | ཡིག*",
    "Amharic": "ሰላም ለዓለም | ሰላም | ለዓ*",
    "Armenian": "Բարեւ աշխարհ | բարեւ | աշխ*",
    "Georgian": "გამარჯობა მსოფლიო | გამარჯობა | მსოფ*",
    "Greek": "Καλημέρα κόσμε | καλημέρα | ΚΑΛΗΜΈΡΑ | κόσ*",
    "Russian": "Ещё йогурт | ещё | йог*",
    "Vietnamese": "Tiếng Việt | tiếng | viet | việ*",
    "Yoruba": "ọjọ́ ẹ̀kọ́ | ọjọ́ | ẹ̀kọ́* | ẹ̀k*",
    "half-width": "ｶﾞｷﾞ ﾃｽﾄ | ｶﾞｷﾞ | ﾃｽ",
    "numbers": "x² + ½ = Ⅷ | x² | x²*",
}
ABSENT = {  # text -> queries with other marks, or with less than a word
    "शान से": ["शनि", "शनि ", "शिन ", "शा से"],
    "हमें हिन्दी": ["हम ", "हिन्द ", "हिदी", "दी", "मे हिन्दी"],
    "বাংলা ভাষা": ["বংলা", "বাংল ", "ভাষ "],
    "השָּׁלוֹם": ["שָׁלוֹם", "הַשלום"],
    "x² ¾": ["x³", "¼"],
}
LOCALES = {  # replacements in the index function
    "glibc": ('"pg_c_utf8"', '"C.utf8"'),
    "ICU": ("[^[:alnum:]]+", f"([^[:alnum:]]|[{MARKS}])+"),  # ICU classifies no mark as a letter
}


def as_query(written: str) -> str:
    return written[:-1] if written.endswith("*") else f"{written} "


@pytest.fixture(params=["as it is", *LOCALES])
def any_locale(request: pytest.FixtureRequest, store: Store) -> Store:
    """A store with an index function for one of the locales that PostgreSQL may have."""
    if request.param == "as it is":
        return store
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no locales")
    with store.engine.execution_options(writes=True).begin() as connection:
        found = connection.execute(text("SELECT pg_get_functiondef('parley_plain'::regproc)"))
        connection.exec_driver_sql(found.scalar_one().replace(*LOCALES[request.param]))
    return store


def test_search_finds_words_of_any_script(any_locale: Store) -> None:
    for script, line in SCRIPTS.items():
        written, *words = line.split(" | ")
        answer = say(any_locale, written, title=script)
        for word in map(as_query, words):
            hits = [hit for hit in find(any_locale, word) if hit.message_id == answer.parent_id]
            assert len(hits) == 1, (script, word)
            assert marked(hits[0]), (script, word)


def test_search_does_not_find_words_that_differ_in_marks(any_locale: Store) -> None:
    for written, words in ABSENT.items():
        say(any_locale, written, title=written)
        for word in words:
            assert find(any_locale, word) == [], (written, word)


def test_phrase_search_with_combining_marks_requires_word_order(store: Store) -> None:
    say(store, "हिन्दी में लिखा हुआ")
    assert find(store, '"में लिखा हुआ"') and not find(store, '"लिखा में"')


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_search_matches_all_unicode_normalization_forms(store: Store, form: str) -> None:
    for written in ("হয়", "सड़क", "ẹ̀kọ́"):  # as typed on keyboards, in neither form
        say(store, f"{written} {unicodedata.normalize('NFC', written)}")
        assert find(store, unicodedata.normalize(form, written) + " ")  # type: ignore[arg-type]
    say(store, "পড়")
    [hit] = find(store, "পড়")
    assert marked(hit) == [unicodedata.normalize("NFC", "পড়")]


PARTS = "天气 xx 气很 yy 很冷"  # contains each pair of 天气很冷, but not the word


def test_search_does_not_match_scattered_cjk_pairs(store: Store) -> None:
    say(store, f"{PARTS} 用 iphone 大学 東京", title=PARTS)
    for word in ("天气很冷", '"天气很冷"', "天气很", "iphone用", "東京。大学", "用大学"):
        assert find(store, word) == [], word
    say(store, "今天天气很冷啊", title="天气很冷")
    assert [marked(hit) for hit in find(store, "天气很冷")] == [["天气很冷"]] * 2
    assert len(find(store, "天气 很冷")) == 4


@pytest.mark.parametrize(("wanted", "others"), [("शनि", "शान"), ("天气很冷", PARTS)])
def test_false_positives_do_not_hide_an_older_match(store: Store, wanted: str, others: str) -> None:
    sent = say(store, wanted)
    change(
        store,
        "INSERT INTO messages (id, conversation_id, depth, role, text, status, created_at, tokens,"
        " is_exact, reasoning) SELECT 'x' || n, conversation_id, 0, role, :others, status,"
        " created_at, 1, true, '' FROM messages, (WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL"
        " SELECT n + 1 FROM numbers WHERE n < 400) SELECT n FROM numbers) n WHERE id = :id",
        others=others,
        id=sent.parent_id,
    )
    assert [hit.message_id for hit in find(store, wanted)] == [sent.parent_id]


def test_search_finds_a_word_with_marks_deep_inside_a_long_message(store: Store) -> None:
    say(store, "शान " * 5000 + "शनि " + "शान " * 5000)
    assert marked(find(store, "शनि")[0]) == ["शनि"]


@pytest.mark.parametrize(
    ("written", "word", "bold"),
    [
        ("यह लिखा हुआ", "लिखा", ["लिखा"]),
        ("यह लिखा हुआ", "लिख", ["लिखा"]),
        ("वह हिन्दी है", "हिन", ["हिन्"]),
        ("โรงเรียนเด็กดี", "เด", ["เด็"]),
        ("אמר שָׁלוֹם לך", "ש", []),
        ("אמר שָׁלוֹם לך", "שָׁל", ["שָׁל"]),
    ],
)
def test_snippet_keeps_letters_and_their_marks_together(
    written: str, word: str, bold: list[str]
) -> None:
    matcher = Matcher(parse_query(word))
    whole = "".join(piece for piece, is_match in matcher.snippet(written) if is_match)
    assert whole == "".join(unicodedata.normalize("NFC", piece) for piece in bold)


def test_tokenizer_attaches_marks_to_the_preceding_letter() -> None:
    assert tokenize("हिन्दी, में") == ("हिन्दी", "में")
    assert tokenize("\u093e \ufe0f ❤\ufe0f 1\ufe0f\u20e3") == ("1",)
