"""What SQLite and PostgreSQL do not have in common: how to connect, and a few words of SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from feedback.places import Place, PlaceError

__all__ = ["Database", "database_of"]

CONNECT_S = 3
LONG_S = 3600.0
INSERTED_AT_ONCE = (100, 10, 1)  # records of nine values each; SQLite of old takes 999 values
LOCK = 0x67616E67  # any number that no other program is likely to lock by


@dataclass(frozen=True)
class Database:
    """One kind of database: both speak DB-API 2 (PEP 249), with `mark` where a value goes.

    `lock` keeps two processes from making the tables at once; `faults` are what a connection raises, `refusing` those
    of them that a record brings about, which is never taken. `stamp` changes when a connection is to something that is
    there no more. `insert` puts records into a table within a transaction: by a cursor, the names of the table and its
    columns, the records.
    """

    connect: Callable[[], Any]
    begin: str
    lock: str
    identity: str
    mark: str
    faults: tuple[type[Exception], ...]
    refusing: tuple[type[Exception], ...]
    stamp: Callable[[], object]
    insert: Callable[[Any, str, Sequence[str], Sequence[Sequence[Any]]], None]

    def sql(self, text: str) -> str:
        """Put a statement that has ? for values, and {identity}, into this database's words."""
        return text.replace("{identity}", self.identity).replace("?", self.mark)


def database_of(place: Place, patience_s: float | None, *, is_read_only: bool) -> Database:
    """Return the database at a place; a statement may take `patience_s`, None for any time.

    PlaceError when what is needed for it is not installed.
    """
    make = _sqlite if place.kind == "sqlite" else _postgresql
    return make(place, patience_s, is_read_only=is_read_only)


def _sqlite(place: Place, patience_s: float | None, *, is_read_only: bool) -> Database:
    import sqlite3  # noqa: PLC0415 - a service without a log store is smaller by a megabyte

    return Database(
        connect=partial(_open_file, place.address, patience_s or LONG_S, is_read_only=is_read_only),
        begin="BEGIN IMMEDIATE",
        lock="SELECT 1",
        identity="INTEGER PRIMARY KEY AUTOINCREMENT",
        mark="?",
        faults=(sqlite3.Error,),
        refusing=(sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
        stamp=partial(_stamp, place.address),
        insert=_insert,
    )


def _insert(cursor: Any, table: str, columns: Sequence[str], records: Sequence[Sequence[Any]]) -> None:
    # Few long statements: after each one this thread waits for the others of a busy process. Of few lengths, as they
    # are kept compiled: to compile one takes longer than to execute it.
    start = 0
    for count in INSERTED_AT_ONCE:
        while len(records) - start >= count:
            values = list(chain.from_iterable(records[start : start + count]))
            cursor.execute(_insertion(table, tuple(columns), count), values)
            start += count


@lru_cache
def _insertion(table: str, columns: tuple[str, ...], count: int) -> str:
    marks = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([marks] * count)}"


def _copy(cursor: Any, table: str, columns: Sequence[str], records: Sequence[Sequence[Any]]) -> None:
    # An eighth of the processor time of INSERT, as no statement is put together from the values.
    if records:
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for record in records:
                copy.write_row(record)


def _stamp(path: str) -> object:
    """Return which file it is: SQLite would go on writing to one that was deleted."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_file(path: str, patience_s: float, *, is_read_only: bool) -> Any:
    import sqlite3  # noqa: PLC0415 - as above

    name = f"{Path(path).absolute().as_uri()}?mode={'rw' if is_read_only else 'rwc'}"
    connection = sqlite3.connect(name, timeout=patience_s, isolation_level=None, check_same_thread=False, uri=True)
    if is_read_only:
        # Opened for writing all the same: the last to close a file that was only read leaves others beside it.
        connection.execute("PRAGMA query_only=ON")
        return connection
    # Readers and the writer do not wait for each other; a crash of the machine may cost the last moments only.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _postgresql(place: Place, patience_s: float | None, *, is_read_only: bool) -> Database:
    try:
        import psycopg  # noqa: PLC0415 - optional
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - optional
    except ImportError as error:
        raise PlaceError("a log store in PostgreSQL needs psycopg: pip install 'psycopg[binary]'") from error
    try:
        given = conninfo_to_dict(place.address)
    except psycopg.Error as error:
        raise PlaceError("PostgreSQL cannot read this URL: expected postgresql://user@host:5432/database") from error
    asked = _bounds(patience_s, is_read_only=is_read_only) | given

    def connect() -> Any:
        password = place.password()
        known = {} if password is None else {"password": password}
        return psycopg.connect("", autocommit=True, **(asked | known))

    return Database(
        connect=connect,
        begin="BEGIN",
        lock=f"SELECT pg_advisory_xact_lock({LOCK})",
        identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        mark="%s",
        faults=(psycopg.Error, PlaceError, OSError),
        refusing=(psycopg.DataError, psycopg.IntegrityError),
        stamp=str,
        insert=_copy,
    )


def _bounds(patience_s: float | None, *, is_read_only: bool) -> dict[str, Any]:
    """Return what a connection to PostgreSQL is asked for, unless the URL says otherwise."""
    milliseconds = int((patience_s or 0) * 1000)  # 0 is no limit
    session = {"statement_timeout": milliseconds, "default_transaction_read_only": "on" if is_read_only else "off"}
    return {
        "connect_timeout": CONNECT_S,
        "application_name": "ganglion",
        "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
        "tcp_user_timeout": milliseconds,
    }
