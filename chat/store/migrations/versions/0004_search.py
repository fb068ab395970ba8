"""The full-text index: one row for each message and title, maintained by triggers.

SQLite uses a contentless FTS5 table. Its triggers are plain SQL, so that any tool can write to the
database. PostgreSQL stores `tsvector`s in a narrow table beside the messages, so that no table is
rewritten and the rows of a common word are read quickly.

Filter tokens store a row's kind and owner, conversation, year, month and day, model, and whether
it has attachments, so that the index itself narrows down a common word. They begin with the
private-use character U+E000, which the query parser never emits. Rows have ids of their own, since
VACUUM may renumber the rowids of `messages`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

LENGTH = 200_000  # characters of a text that are indexed


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "search_rows",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("conversation_id", sa.String(30), nullable=False),
        sa.Column("message_id", sa.String(30)),  # NULL: the title
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("has_file", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table("search_models", sa.Column("model", sa.Text, primary_key=True))
    if is_sqlite:
        _sqlite()
    else:
        _postgresql()


# --- SQLite ------------------------------------------------------------------------------------

CJK_RANGES = (
    ("\u2e80", "\u9fff"),
    ("\uac00", "\ud7a3"),
    ("\uf900", "\ufaff"),
    ("\uff66", "\uff9f"),
    ("\U00020000", "\U0003ffff"),
)


def _spaced(text: str) -> str:
    """Return SQL that adds spaces around each CJK character, in parts of 128 characters."""
    has_cjk = "[" + "".join(f"{first}-{last}" for first, last in CJK_RANGES) + "]"
    is_cjk = " OR ".join(f"c BETWEEN '{first}' AND '{last}'" for first, last in CJK_RANGES)
    return f"""CASE WHEN {text} GLOB '*{has_cjk}*' THEN (
        WITH RECURSIVE
            starts(n) AS (SELECT 1 UNION ALL SELECT n + 128 FROM starts
                          WHERE n + 128 <= min(length({text}), {LENGTH})),
            places(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM places WHERE i < 128),
            parts(part) AS MATERIALIZED (SELECT substr({text}, n, 128) FROM starts),
            characters(c) AS (SELECT substr(part, i, 1) FROM parts CROSS JOIN places)
        SELECT group_concat(CASE WHEN {is_cjk} THEN ' ' || c || ' ' ELSE c END, '') FROM characters
    ) ELSE substr({text}, 1, {LENGTH}) END"""


def _message_words(row: str) -> str:
    mark = "char(57344)"
    return f"""{mark} || 'm' || hex(r.owner)
        || ' ' || {mark} || 'c' || r.conversation_id
        || CASE WHEN r.has_file THEN ' ' || {mark} || 'f' ELSE '' END
        || ' ' || {mark} || 'd' || substr({row}.created_at, 1, 4)
        || ' ' || {mark} || 'd' || substr({row}.created_at, 1, 4) || substr({row}.created_at, 6, 2)
        || ' ' || {mark} || 'd' || replace(substr({row}.created_at, 1, 10), '-', '')
        || coalesce(' ' || {mark} || 'a' || hex({row}.model), '')
        || ' ' || {_spaced(f"{row}.text")}"""


def _title_words(row: str, owner: str = "r.owner") -> str:
    return f"char(57344) || 't' || hex({owner}) || ' ' || {_spaced(f'{row}.title')}"


def _add_message(row: str) -> str:
    return f"""
        INSERT INTO search_rows (conversation_id, message_id, owner, at, has_file)
            SELECT c.id, {row}.id, c.owner, {row}.created_at,
                EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = {row}.id)
            FROM conversations c WHERE c.id = {row}.conversation_id;
        INSERT INTO search_words (rowid, words)
            SELECT r.id, {_message_words(row)} FROM search_rows r
            WHERE r.conversation_id = {row}.conversation_id AND r.message_id = {row}.id;
        INSERT OR IGNORE INTO search_models SELECT {row}.model WHERE {row}.model IS NOT NULL;"""


def _drop_message(row: str) -> str:
    return f"""
        INSERT INTO search_words (search_words, rowid, words)
            SELECT 'delete', r.id, {_message_words(row)} FROM search_rows r
            WHERE r.conversation_id = {row}.conversation_id AND r.message_id = {row}.id;
        DELETE FROM search_rows
            WHERE conversation_id = {row}.conversation_id AND message_id = {row}.id;"""


def _add_title(row: str) -> str:
    return f"""
        INSERT INTO search_rows (conversation_id, owner) VALUES ({row}.id, {row}.owner);
        INSERT INTO search_words (rowid, words) SELECT r.id, {_title_words(row)} FROM search_rows r
            WHERE r.conversation_id = {row}.id AND r.message_id IS NULL;"""


def _drop_title(row: str) -> str:
    return f"""
        INSERT INTO search_words (search_words, rowid, words)
            SELECT 'delete', r.id, {_title_words(row)} FROM search_rows r
            WHERE r.conversation_id = {row}.id AND r.message_id IS NULL;
        DELETE FROM search_rows WHERE conversation_id = {row}.id AND message_id IS NULL;"""


def _is_indexed(row: str) -> str:
    return f"{row}.status <> 'streaming' AND {row}.text <> ''"


def _sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE search_words USING fts5(words, content='', columnsize=0,"
        " prefix='2 3', tokenize='unicode61 remove_diacritics 2')"
    )
    op.execute("INSERT INTO search_words (search_words, rank) VALUES ('hashsize', 33554432)")
    op.execute(
        "INSERT INTO search_rows (conversation_id, message_id, owner, at, has_file)"
        " SELECT c.id, m.id, c.owner, m.created_at,"
        " EXISTS (SELECT 1 FROM attachments a WHERE a.message_id = m.id)"
        " FROM messages m CROSS JOIN conversations c ON c.id = m.conversation_id"
        f" WHERE {_is_indexed('m')} ORDER BY m.id"
    )
    op.execute(
        "INSERT INTO search_words (rowid, words)"
        f" SELECT r.id, {_message_words('m')} FROM search_rows r"
        " CROSS JOIN messages m ON m.id = r.message_id ORDER BY r.id"
    )
    op.execute(
        "INSERT INTO search_models SELECT DISTINCT model FROM messages WHERE model IS NOT NULL"
    )
    op.execute(
        "INSERT INTO search_rows (conversation_id, owner) SELECT id, owner FROM conversations"
    )
    op.execute(
        f"INSERT INTO search_words (rowid, words) SELECT r.id, {_title_words('c')}"
        " FROM search_rows r CROSS JOIN conversations c ON c.id = r.conversation_id"
        " WHERE r.message_id IS NULL ORDER BY r.id"
    )
    op.execute("INSERT INTO search_words (search_words, rank) VALUES ('hashsize', 1048576)")
    # Merges the segments now instead of during the first writes.
    op.execute("INSERT INTO search_words (search_words) VALUES ('optimize')")
    _indexes()
    for name, when, body in (
        ("message_added", f"INSERT ON messages WHEN {_is_indexed('NEW')}", _add_message("NEW")),
        ("message_dropped", f"DELETE ON messages WHEN {_is_indexed('OLD')}", _drop_message("OLD")),
        (
            "message_left",
            "UPDATE OF text, status, model, created_at, conversation_id ON messages"
            f" WHEN {_is_indexed('OLD')}",
            _drop_message("OLD"),
        ),
        (
            "message_ended",
            "UPDATE OF text, status, model, created_at, conversation_id ON messages"
            f" WHEN {_is_indexed('NEW')}",
            _add_message("NEW"),
        ),
        ("title_added", "INSERT ON conversations", _add_title("NEW")),
        ("title_dropped", "DELETE ON conversations", _drop_title("OLD")),
        (
            "title_changed",
            "UPDATE OF title, owner ON conversations",
            _drop_title("OLD") + _add_title("NEW"),
        ),
    ):
        # Removes the old words before the row changes and adds the new ones afterwards.
        time = "BEFORE" if name in ("message_left",) else "AFTER"
        op.execute(sa.text(f"CREATE TRIGGER search_{name} {time} {when} BEGIN {body} END"))
    rows = "FROM search_rows r CROSS JOIN messages m ON m.id = r.message_id"
    filed = (
        "conversation_id = (SELECT conversation_id FROM messages WHERE id = NEW.message_id)"
        " AND message_id = NEW.message_id AND has_file"
    )
    # has_file is 2 between the removal of the old words and the insertion of the new ones.
    for name, when, these, change, those, end in (
        (
            "owner_changed",
            "UPDATE OF owner ON conversations WHEN OLD.owner IS NOT NEW.owner",
            "r.conversation_id = NEW.id",
            "UPDATE search_rows SET owner = NEW.owner"
            " WHERE conversation_id = NEW.id AND message_id IS NOT NULL;",
            "r.conversation_id = NEW.id",
            "",
        ),
        (
            "file_added",
            "INSERT ON attachments",
            f"r.id IN (SELECT id FROM search_rows WHERE {filed} = 0)",
            f"UPDATE search_rows SET has_file = 2 WHERE {filed} = 0;",
            f"r.id IN (SELECT id FROM search_rows WHERE {filed} = 2)",
            f"UPDATE search_rows SET has_file = 1 WHERE {filed} = 2;",
        ),
    ):
        op.execute(
            f"CREATE TRIGGER search_{name} AFTER {when} BEGIN"
            " INSERT INTO search_words (search_words, rowid, words)"
            f" SELECT 'delete', r.id, {_message_words('m')} {rows} WHERE {these}; {change}"
            " INSERT INTO search_words (rowid, words)"
            f" SELECT r.id, {_message_words('m')} {rows} WHERE {those};"
            f" {end} END"
        )


def _indexes() -> None:
    op.create_index("search_rows_of", "search_rows", ["conversation_id", "message_id"], unique=True)
    op.create_index("search_rows_by_time", "search_rows", ["owner", "at"])


# --- PostgreSQL --------------------------------------------------------------------------------

CJK = "".join(f"{first}-{last}" for first, last in CJK_RANGES)
COLLATIONS = (
    "pg_c_utf8",
    "C.utf8",
    "C.UTF-8",
    "und-x-icu",
)  # that classify letters of every script


def _functions(collation: str) -> tuple[str, ...]:
    return (
        # Lower-cases, removes accents and punctuation, and truncates very long words.
        rf"""CREATE FUNCTION parley_plain(body text) RETURNS text
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
            SELECT regexp_replace(regexp_replace(translate(lower(
                CASE WHEN octet_length(body) = length(body) THEN body ELSE
                    normalize(regexp_replace(
                        normalize(body, NFD), '([A-Za-z])[\u0300-\u036f]+', '\1', 'g'), NFC)
                END {collation}), 'ς', 'σ'), '[^[:alnum:]]+', ' ', 'g'),
                '([^ {CJK}]{{64}})[^ {CJK}]+', '\1', 'g')
        $$""",
        # Indexes CJK characters one by one and in pairs, so that a search is a conjunction of
        # characters or pairs and needs no phrase check.
        rf"""CREATE FUNCTION parley_words(body text) RETURNS tsvector
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            plain text;
            cjk text;
        BEGIN
            plain := parley_plain(left(body, {LENGTH}));
            IF plain !~ '[{CJK}]' THEN
                RETURN to_tsvector('simple', plain);
            END IF;
            cjk := regexp_replace(plain, '[^{CJK}]+', ' ', 'g');
            RETURN to_tsvector('simple', regexp_replace(plain, '([{CJK}])', ' \1 ', 'g'))
                || strip(to_tsvector('simple', regexp_replace(cjk, '([{CJK}]{{2}})', '\1 ', 'g')))
                || strip(to_tsvector('simple', regexp_replace(
                    regexp_replace(cjk, '(^| )[{CJK}]', '\1', 'g'),
                    '([{CJK}]{{2}})', '\1 ', 'g')));
        EXCEPTION WHEN program_limit_exceeded THEN  -- a tsvector holds at most a megabyte
            RETURN parley_words(left(body, 20000));
        END $$""",
        """CREATE FUNCTION parley_owner(kind text, owner text) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT chr(57344) || kind || encode(convert_to(owner, 'UTF8'), 'hex')
        $$""",
        """CREATE FUNCTION parley_message_words(
            owner text, conversation_id text, has_file boolean, at timestamptz, model text,
            body text
        ) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT array_to_tsvector(array_remove(ARRAY[
                parley_owner('m', owner),
                chr(57344) || 'c' || conversation_id,
                CASE WHEN has_file THEN chr(57344) || 'f' END,
                chr(57344) || 'd' || to_char(at AT TIME ZONE 'UTC', 'YYYY'),
                chr(57344) || 'd' || to_char(at AT TIME ZONE 'UTC', 'YYYYMM'),
                chr(57344) || 'd' || to_char(at AT TIME ZONE 'UTC', 'YYYYMMDD'),
                chr(57344) || 'a' || encode(convert_to(left(model, 500), 'UTF8'), 'hex')
            ], NULL)) || parley_words(body)
        $$""",
        """CREATE FUNCTION parley_title_words(owner text, title text) RETURNS tsvector
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT array_to_tsvector(ARRAY[parley_owner('t', owner)]) || parley_words(title)
        $$""",
        """CREATE FUNCTION parley_message_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                DELETE FROM search_rows
                WHERE conversation_id = OLD.conversation_id AND message_id = OLD.id;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                IF NEW.status <> 'streaming' AND NEW.text <> '' THEN
                    INSERT INTO search_rows
                        (conversation_id, message_id, owner, at, has_file, words)
                    SELECT c.id, NEW.id, c.owner, NEW.created_at, f.has_file, parley_message_words(
                        c.owner, c.id, f.has_file, NEW.created_at, NEW.model, NEW.text)
                    FROM conversations c, (SELECT EXISTS (
                        SELECT 1 FROM attachments WHERE message_id = NEW.id) AS has_file) f
                    WHERE c.id = NEW.conversation_id;
                    INSERT INTO search_models SELECT NEW.model WHERE NEW.model IS NOT NULL
                        AND NOT EXISTS (SELECT 1 FROM search_models WHERE model = NEW.model)
                        ON CONFLICT DO NOTHING;
                END IF;
            END IF;
            RETURN NULL;
        END $$""",
        """CREATE FUNCTION parley_title_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                DELETE FROM search_rows WHERE conversation_id = OLD.id AND message_id IS NULL;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO search_rows (conversation_id, owner, words)
                VALUES (NEW.id, NEW.owner, parley_title_words(NEW.owner, NEW.title));
            END IF;
            IF TG_OP = 'UPDATE' AND NEW.owner IS DISTINCT FROM OLD.owner THEN
                UPDATE search_rows r SET owner = NEW.owner,
                    words = parley_message_words(
                        NEW.owner, NEW.id, r.has_file, m.created_at, m.model, m.text)
                FROM messages m WHERE r.conversation_id = NEW.id AND m.id = r.message_id;
            END IF;
            RETURN NULL;
        END $$""",
        """CREATE FUNCTION parley_file_added() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE search_rows SET has_file = true,
                words = words || array_to_tsvector(ARRAY[chr(57344) || 'f'])
            WHERE message_id = NEW.message_id AND NOT has_file AND conversation_id =
                (SELECT conversation_id FROM messages WHERE id = NEW.message_id);
            RETURN NULL;
        END $$""",
    )


def _postgresql() -> None:
    known = set(op.get_bind().execute(sa.text("SELECT collname FROM pg_collation")).scalars())
    collation = next((f'COLLATE "{name}"' for name in COLLATIONS if name in known), "")

    def run(statement: str) -> None:
        op.get_bind().exec_driver_sql(statement)

    for function in _functions(collation):
        run(function)
    # Stores the vectors out of line, so that a page holds many rows of a common word.
    run(
        "ALTER TABLE search_rows ADD COLUMN words tsvector NOT NULL, SET (toast_tuple_target = 128)"
    )
    run("SET LOCAL maintenance_work_mem = '256MB'")
    run(
        "INSERT INTO search_rows (conversation_id, message_id, owner, at, has_file, words)"
        " SELECT c.id, m.id, c.owner, m.created_at, f.message_id IS NOT NULL, parley_message_words("
        "c.owner, c.id, f.message_id IS NOT NULL, m.created_at, m.model, m.text)"
        " FROM messages m JOIN conversations c ON c.id = m.conversation_id"
        " LEFT JOIN (SELECT DISTINCT message_id FROM attachments) f ON f.message_id = m.id"
        " WHERE m.status <> 'streaming' AND m.text <> '' ORDER BY m.id"
    )
    run(
        "INSERT INTO search_rows (conversation_id, owner, words)"
        " SELECT id, owner, parley_title_words(owner, title) FROM conversations"
    )
    run("INSERT INTO search_models SELECT DISTINCT model FROM messages WHERE model IS NOT NULL")
    _indexes()
    run("CREATE INDEX search_rows_words ON search_rows USING gin (words)")
    run("ANALYZE search_rows")
    changes = "AFTER UPDATE OF text, status, model, created_at, conversation_id ON messages"
    is_left = "OLD.status <> 'streaming' AND OLD.text <> ''"
    is_ended = "NEW.status <> 'streaming' AND NEW.text <> ''"
    for name, when, condition, function in (
        ("message_added", "AFTER INSERT ON messages", is_ended, "message"),
        ("message_changed", changes, f"({is_left}) OR ({is_ended})", "message"),
        ("message_dropped", "AFTER DELETE ON messages", is_left, "message"),
        ("title_added", "AFTER INSERT ON conversations", "true", "title"),
        (
            "title_changed",
            "AFTER UPDATE OF title, owner ON conversations",
            "OLD.title IS DISTINCT FROM NEW.title OR OLD.owner IS DISTINCT FROM NEW.owner",
            "title",
        ),
        ("title_dropped", "AFTER DELETE ON conversations", "true", "title"),
    ):
        run(
            f"CREATE TRIGGER search_{name} {when} FOR EACH ROW WHEN ({condition})"
            f" EXECUTE FUNCTION parley_{function}_changed()"
        )
    run(
        "CREATE TRIGGER search_file_added AFTER INSERT ON attachments"
        " FOR EACH ROW EXECUTE FUNCTION parley_file_added()"
    )
