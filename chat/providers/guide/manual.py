"""Full-text search over Parley's manual: docs/manual/*.md, split at their `##` headings.

Each file is a topic: a `#` heading, an introduction of one sentence, then the sections. Below a
heading, `<!-- asked: hello; who are you -->` lists alternative questions; they are indexed but
not displayed. This module does not know conversations or replies.
"""

from __future__ import annotations

import math
import re
import sqlite3
import weakref
from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from threading import Lock

MANUAL_FOLDER = Path(__file__).parents[3] / "docs" / "manual"

_ASKED = re.compile(r"<!--\s*asked:(.*?)-->", re.DOTALL)
_FENCE = re.compile(r"^(`{3,}|~{3,})")
_FIRST_FILE = "welcome.md"

# A question may be a pasted book, so only its beginning is searched for.
_MAX_CHARS, _MAX_TERMS, _MAX_TERM_CHARS = 4_000, 24, 40
# Shorter words match only as a whole: "key" must not match "keyboard".
_MIN_PREFIX_CHARS, _MIN_TYPO_CHARS = 4, 6
_SHORT_QUESTION_TERMS, _EARLIER_WEIGHT = 2, 0.25
_MIN_COVERAGE = 0.45  # share of the question, by term weight, that a section must contain
# For a question in the exact words of a heading or of its `asked`.
_SAME_WORDS_BONUS, _SAME_PHRASE_BONUS, _SAME_TITLE_BONUS = 6.0, 3.0, 20.0

_MATCH = """SELECT rowid, -bm25(manual, 8.0, 6.0, 2.0, 1.0) FROM manual
            WHERE manual MATCH ? ORDER BY rowid"""  # weights: title, asked, topic, text

_STOP_WORDS = """a able about actually again all also am an and any anybody anyone anything are
    as at be because been being but by can cannot cant could did didnt do does doesnt doing dont
    else evening ever every exactly explain for from get gets getting give go goes good got had
    hallo has have having he hello help her here hey hi him his how i id if ill im in into is
    isnt it its ive just know let like look lot made make makes me mean means more morning most
    much must my need no not now of off on one only or other our out please pls possible put
    really say says see she should show so some somebody someone something support supported
    supports sure tell than that thats the their them then there these they thing things this
    those to too u us use used uses using very want wants was wasnt way we well were what whats
    when where which while who whom whose why will with without wont work works would yes you
    your youre"""
_THANKS = """awesome bye cool danke excellent goodbye gracias great lovely merci nice ok okay
    perfect super thank thanks thx ty wonderful"""
COURTESIES = frozenset(_THANKS.split())
_STOPPED = COURTESIES | frozenset(_STOP_WORDS.split())
_SYNONYMS = {
    "chat": "conversation",
    "chats": "conversations",
    "thread": "conversation",
    "threads": "conversations",
    "response": "reply",
    "responses": "replies",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the manual.

    `asked` holds alternative questions, normalized by `plain`; `keys` the terms of the title and of
    each of them.
    """

    title: str
    text: str
    topic: str = ""
    asked: frozenset[str] = frozenset()
    keys: frozenset[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Topic:
    """One file of the manual; `name` is the file name without its extension."""

    name: str
    title: str
    intro: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A matching section. `is_sure` if it contains every term of the question.

    `score` is the relevance of the text, without the bonus for the words of the heading.
    """

    section: Section
    is_sure: bool
    score: float


class Manual:
    """The manual in `folder`, read and indexed on first use. Safe to use from any thread.

    A missing folder is treated as an empty manual. The methods raise OSError, UnicodeDecodeError or
    sqlite3.Error if the files or the index cannot be read.
    """

    def __init__(self, folder: Path = MANUAL_FOLDER) -> None:
        self._folder = folder
        self._lock = Lock()
        self._topics: tuple[Topic, ...] | None = None
        self._sections: tuple[Section, ...] = ()
        self._words: tuple[str, ...] = ()
        self._index: sqlite3.Connection | None = None

    def topics(self) -> tuple[Topic, ...]:
        with self._lock:
            self._open()
            return self._topics or ()

    def search(self, question: str, earlier: str = "") -> tuple[SearchHit, ...]:
        """Return the sections that answer `question`, best first.

        `earlier` is the previous question, which gives context to a question of few words.
        """
        with self._lock:
            index = self._open()
            found, context = terms(question), terms(earlier)
            is_short = len(found) <= _SHORT_QUESTION_TERMS
            return self._rank(index, plain(question), found, context if is_short else ())

    def match_phrase(self, question: str) -> Section | None:
        """Return the section that lists the question, or the end of it, in `asked`.

        Covers questions made of stop words only, such as "hi, who are you".
        """
        words = plain(question).split()
        with self._lock:
            self._open()
            for phrase in [" ".join(words[start:]) for start in range(len(words))] + words:
                for section in self._sections:
                    if phrase in section.asked:
                        return section
        return None

    def _open(self) -> sqlite3.Connection:
        if self._index is None:
            topics = read_topics(self._folder)
            # All threads share the connection; each use holds the lock.
            index = sqlite3.connect(":memory:", check_same_thread=False)
            weakref.finalize(self, index.close)
            index.execute(
                "CREATE VIRTUAL TABLE manual USING fts5"
                "(title, asked, topic, text, tokenize = 'porter unicode61 remove_diacritics 2')"
            )
            self._sections = tuple(section for topic in topics for section in topic.sections)
            index.executemany(
                "INSERT INTO manual (rowid, title, asked, topic, text) VALUES (?, ?, ?, ?, ?)",
                [
                    (place, s.title, " ; ".join(sorted(s.asked)), s.topic, s.text)
                    for place, s in enumerate(self._sections)
                ],
            )
            texts = (f"{s.title} {s.text} {' '.join(s.asked)}" for s in self._sections)
            self._words = tuple(sorted({word for text in texts for word in terms(text, None)}))
            self._topics, self._index = topics, index
        return self._index

    def _rank(
        self,
        index: sqlite3.Connection,
        phrase: str,
        question: tuple[str, ...],
        context: tuple[str, ...],
    ) -> tuple[SearchHit, ...]:
        scores: dict[int, float] = defaultdict(float)
        covered: dict[int, float] = defaultdict(float)
        named: set[int] = set()
        total_weight = 0.0
        singulars = set()
        for term in question:
            found = _matches(index, term)
            if not found:
                term = self._correct_typo(term)
                found = _matches(index, term)
            singulars.add(_singular(term))
            # Rare terms weigh more, and terms that the manual lacks weigh most.
            weight = math.log(1 + len(self._sections) / max(len(found), 0.5))
            total_weight += weight
            for place, score, is_named in found:
                scores[place] += score
                covered[place] += weight
                if is_named:
                    named.add(place)
        for term in context:
            for place, score, _ in _matches(index, term):
                scores[place] += _EARLIER_WEIGHT * score
        ranked = []
        for place, weight in covered.items():
            section, coverage = self._sections[place], weight / total_weight
            is_whole = coverage > 0.999
            # A partial match must include the heading; a mention in the text is not an answer.
            if is_whole or (place in named and coverage >= _MIN_COVERAGE):
                bonus = _SAME_WORDS_BONUS * (singulars in section.keys)
                bonus += _SAME_PHRASE_BONUS * (phrase in section.asked)
                bonus += _SAME_TITLE_BONUS * (phrase == plain(section.title))
                hit = SearchHit(section, is_whole and place in named, scores[place] * coverage)
                ranked.append((hit.score + bonus, hit))
        # The sort is stable, so equal scores keep the order of the manual.
        return tuple(hit for _, hit in sorted(ranked, key=lambda pair: -pair[0]))

    def _correct_typo(self, term: str) -> str:
        """Return the closest word of the manual, or `term` if none is close."""
        if len(term) < _MIN_TYPO_CHARS:
            return term
        return (get_close_matches(term, self._words, n=1, cutoff=0.84) or [term])[0]


def plain(text: str) -> str:
    """Return the lower-case words of `text` with single spaces; text without words is unchanged."""
    text = text[:_MAX_CHARS].lower().replace("'", "").replace("’", "")
    return " ".join(re.findall(r"\w+", text)) or text.strip()


def terms(text: str, limit: int | None = _MAX_TERMS) -> tuple[str, ...]:
    """Return the distinct words of `text` without stop words, with synonyms replaced."""
    words = (word.strip("_")[:_MAX_TERM_CHARS] for word in re.findall(r"\w+", plain(text)))
    kept = (_SYNONYMS.get(w, w) for w in words if len(w) > 1 and w not in _STOPPED)
    return tuple(dict.fromkeys(kept))[:limit]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _matches(index: sqlite3.Connection, term: str) -> list[tuple[int, float, bool]]:
    """Return (place, score, whether the title or `asked` matches) of the sections with `term`.

    The scores of several terms may be added: bm25 is defined as their sum.
    """
    # Quoted, so that a typed word is not parsed as FTS5 query syntax.
    queries = [f'"{term}"'] + ([f'"{term}"*'] if len(term) >= _MIN_PREFIX_CHARS else [])
    for query in queries:
        rows = index.execute(_MATCH, (query,)).fetchall()
        if rows:
            named = {row[0] for row in index.execute(_MATCH, (f"{{title asked}} : {query}",))}
            # A setting such as MAX_RETRIES counts as a heading match anywhere.
            return [(place, score, place in named or "_" in term) for place, score in rows]
    return []


def read_topics(folder: Path) -> tuple[Topic, ...]:
    """Return the topics in `folder`: the welcome page first, the others by file name."""
    files = sorted(folder.glob("*.md"), key=lambda file: (file.name != _FIRST_FILE, file.name))
    return tuple(_topic(file.stem, file.read_text("utf-8")) for file in files)


def _topic(name: str, text: str) -> Topic:
    blocks = _split(text)
    head = blocks[0].strip().splitlines() if blocks else []
    title = head[0].lstrip("# ").strip() if head else name
    intro = " ".join(line.strip() for line in head[1:] if line.strip())
    return Topic(name, title, intro, tuple(_section(block, title) for block in blocks[1:]))


def _split(text: str) -> list[str]:
    """Split at `##` headings outside of code fences; the first block precedes the first heading."""
    blocks: list[list[str]] = [[]]
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif fence and line.strip() == fence:
            fence = ""
        if not fence and line.startswith("## "):
            blocks.append([])
        blocks[-1].append(line)
    return ["\n".join(block) for block in blocks]


def _section(block: str, topic: str) -> Section:
    heading, _, body = block.partition("\n")
    asked = frozenset(
        plain(phrase)
        for found in _ASKED.findall(body)
        for phrase in found.split(";")
        if phrase.strip()
    )
    title = heading[3:].strip()
    keys = frozenset(frozenset(map(_singular, terms(ask))) for ask in (title, *asked))
    return Section(title, _ASKED.sub("", body).strip(), topic, asked, keys)
