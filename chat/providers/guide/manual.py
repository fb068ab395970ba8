"""Parley's manual as searchable sections: docs/manual/*.md, cut at their `##` headings.

A file is a topic: its `#` heading, a sentence on what it covers, then its sections. Below a
heading, `<!-- asked: hello; who are you -->` lists other ways to ask for it; they are searched
and never shown. It knows nothing of conversations or of replies.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from threading import Lock

MANUAL_FOLDER = Path(__file__).parents[3] / "docs" / "manual"

_ASKED = re.compile(r"<!--\s*asked:(.*?)-->", re.DOTALL)
_FENCE = re.compile(r"^(`{3,}|~{3,})")
_FIRST_FILE = "welcome.md"

# A question may be a whole pasted book: only its beginning is looked up.
_MOST_CHARS, _MOST_TERMS, _MOST_TERM_CHARS = 4_000, 24, 40
# Shorter words are never matched by their beginning: "key" is not "keyboard".
_LEAST_PREFIX_CHARS, _LEAST_SLIP_CHARS = 4, 6
_FEW, _EARLIER_WEIGHT = 2, 0.25
_LEAST_COVERAGE = 0.45  # how much of a question a section must hold, by weight of its words
# For a question put in the very words of a heading or of its `asked`.
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
_SAME_WORD = {
    "chat": "conversation",
    "chats": "conversations",
    "thread": "conversation",
    "threads": "conversations",
    "response": "reply",
    "responses": "replies",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One question the manual answers. `asked` holds other ways to put it, as `plain` text."""

    title: str
    text: str
    topic: str = ""
    asked: frozenset[str] = frozenset()
    keys: frozenset[frozenset[str]] = frozenset()  # the title and `asked` as sets of their terms


@dataclass(frozen=True, slots=True)
class Topic:
    """One file of the manual; `name` is the file's name without its ending."""

    name: str
    title: str
    intro: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that fits; `is_sure` when nothing of the question was left over.

    `score` says how much of the section is about it, whatever the words of its heading.
    """

    section: Section
    is_sure: bool
    score: float


class Manual:
    """The manual below `folder`, read and indexed on first use; safe to share between threads.

    A folder that is missing makes an empty manual. Raises OSError, UnicodeDecodeError or
    sqlite3.Error when the files or the index cannot be read.
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

    def search(self, question: str, earlier: str = "") -> tuple[Hit, ...]:
        """Sections that answer `question`, best first; empty when none does.

        `earlier` is what was asked before it; it helps to place a question of few words.
        """
        with self._lock:
            index = self._open()
            own, before = terms(question), terms(earlier)
            return self._rank(index, plain(question), own, before if len(own) <= _FEW else ())

    def greeted(self, question: str) -> Section | None:
        """The section that lists `question`, or its end, in `asked`: "hi, who are you" has no
        word to search for."""
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
            # One connection for all threads: every use of it holds the lock.
            index = sqlite3.connect(":memory:", check_same_thread=False)
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
        own: tuple[str, ...],
        before: tuple[str, ...],
    ) -> tuple[Hit, ...]:
        scores: dict[int, float] = defaultdict(float)
        covered: dict[int, float] = defaultdict(float)
        named: set[int] = set()
        everything = 0.0
        meant = set()
        for term in own:
            found = _matches(index, term)
            if not found:
                term = self._nearest(term)
                found = _matches(index, term)
            meant.add(_singular(term))
            # A rare word weighs more, and one that the manual does not have weighs most.
            weight = math.log(1 + len(self._sections) / max(len(found), 0.5))
            everything += weight
            for place, score, is_named in found:
                scores[place] += score
                covered[place] += weight
                if is_named:
                    named.add(place)
        for term in before:
            for place, score, _ in _matches(index, term):
                scores[place] += _EARLIER_WEIGHT * score
        ranked = []
        for place, weight in covered.items():
            section, coverage = self._sections[place], weight / everything
            is_whole = coverage > 0.999
            # A word found in passing, in the text alone, does not make a section the answer.
            if is_whole or (place in named and coverage >= _LEAST_COVERAGE):
                bonus = _SAME_WORDS_BONUS * (meant in section.keys)
                bonus += _SAME_PHRASE_BONUS * (phrase in section.asked)
                bonus += _SAME_TITLE_BONUS * (phrase == plain(section.title))
                hit = Hit(section, is_whole and place in named, scores[place] * coverage)
                ranked.append((hit.score + bonus, hit))
        # Sorting is stable: where scores are equal, the manual's own order decides.
        return tuple(hit for _, hit in sorted(ranked, key=lambda pair: -pair[0]))

    def _nearest(self, term: str) -> str:
        """The manual's word that `term` is a slip of, or `term` itself."""
        if len(term) < _LEAST_SLIP_CHARS:
            return term
        return (get_close_matches(term, self._words, n=1, cutoff=0.84) or [term])[0]


def plain(text: str) -> str:
    """`text` as its lower-case words with single spaces; what has no words stays as it is."""
    text = text[:_MOST_CHARS].lower().replace("'", "").replace("’", "")
    return " ".join(re.findall(r"\w+", text)) or text.strip()


def terms(text: str, most: int | None = _MOST_TERMS) -> tuple[str, ...]:
    """The distinct words of `text` that carry meaning, in order, in the manual's vocabulary."""
    words = (word.strip("_")[:_MOST_TERM_CHARS] for word in re.findall(r"\w+", plain(text)))
    kept = (_SAME_WORD.get(w, w) for w in words if len(w) > 1 and w not in _STOPPED)
    return tuple(dict.fromkeys(kept))[:most]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _matches(index: sqlite3.Connection, term: str) -> list[tuple[int, float, bool]]:
    """Rows with `term`: their place, weight, and whether it is in the title or in `asked`.

    The weights of several terms may be added up: that is how bm25 is defined.
    """
    # Quoted, so that no word of a person is ever read as the index's own syntax.
    queries = [f'"{term}"'] + ([f'"{term}"*'] if len(term) >= _LEAST_PREFIX_CHARS else [])
    for query in queries:
        rows = index.execute(_MATCH, (query,)).fetchall()
        if rows:
            named = {row[0] for row in index.execute(_MATCH, (f"{{title asked}} : {query}",))}
            # A name such as MAX_RETRIES is a topic wherever it stands.
            return [(place, score, place in named or "_" in term) for place, score in rows]
    return []


def read_topics(folder: Path) -> tuple[Topic, ...]:
    """The topics below `folder`, the welcome first, the others by file name."""
    files = sorted(folder.glob("*.md"), key=lambda file: (file.name != _FIRST_FILE, file.name))
    return tuple(_topic(file.stem, file.read_text("utf-8")) for file in files)


def _topic(name: str, text: str) -> Topic:
    blocks = _cut(text)
    head = blocks[0].strip().splitlines() if blocks else []
    title = head[0].lstrip("# ").strip() if head else name
    intro = " ".join(line.strip() for line in head[1:] if line.strip())
    return Topic(name, title, intro, tuple(_section(block, title) for block in blocks[1:]))


def _cut(text: str) -> list[str]:
    """What stands before the first `##` heading, then a block for each; fences are not cut."""
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
