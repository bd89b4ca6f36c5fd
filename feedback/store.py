"""One connection to a log store: batches in, records by request id out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from feedback.databases import Database, database_of
from feedback.places import Place
from feedback.records import COLUMNS, SCHEMA_VERSION, TABLES, Answered, Asked, Shape, Told

__all__ = ["Store", "StoreError"]

AT_ONCE = 500  # values in one list of a statement; SQLite of old takes 999
DELETED_AT_ONCE = 2_000
PATIENCE_S = 5.0
HINTS = {"unable to open database file": "its folder has to be there, and this user must be allowed to write to it"}

VERSIONED = "INSERT INTO ganglion_log_meta (version) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM ganglion_log_meta)"


class StoreError(RuntimeError):
    """The store cannot be used; `may_pass` tells whether the same may work later, as when it is down or altered."""

    def __init__(self, message: str, *, may_pass: bool = True) -> None:
        self.may_pass = may_pass
        super().__init__(message)


class Store:
    """Connects when it is first used, and again after a fault; for one thread at a time.

    Every method raises StoreError when the store is down, full, slower than `patience_s`, or of another version. With
    `is_read_only` nothing is made or changed.
    """

    def __init__(self, place: Place, *, patience_s: float | None = PATIENCE_S, is_read_only: bool = False) -> None:
        self._database: Database = database_of(place, patience_s, is_read_only=is_read_only)
        self._is_read_only = is_read_only
        self._connection: Any = None
        self._stamp: object = None
        self._known: set[str] = set()

    def write(self, asked: Sequence[Asked], told: Sequence[Told], shapes: Mapping[str, Shape]) -> None:
        """Write records, and the shapes that they name, in one transaction: all of them or none."""
        with self.transaction() as cursor:
            new = {digest: shape.description for digest, shape in shapes.items() if digest not in self._known}
            for digest, description in new.items():
                cursor.execute(
                    self.sql(
                        "INSERT INTO ganglion_log_shapes (id, description) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
                    ),
                    (digest, description),
                )
            for table, records in (("ganglion_log_predictions", asked), ("ganglion_log_feedback", told)):
                self._database.insert(cursor, table, COLUMNS[table], records)
        self._known |= new.keys()

    def answers(self, model: str, request_ids: Sequence[str]) -> dict[str, Answered]:
        """Return what was answered to requests, by their ids; of an id that was used twice the later answer."""
        found = self._by_id("ganglion_log_predictions", Answered._fields, model, request_ids)
        return {record.request_id: record for record in map(Answered._make, found)}

    def feedback(self, model: str, request_ids: Sequence[str]) -> dict[str, list[Told]]:
        """Return what was told of requests, by their ids, in the order it came."""
        found: dict[str, list[Told]] = {}
        for record in map(Told._make, self._by_id("ganglion_log_feedback", Told._fields, model, request_ids)):
            found.setdefault(str(record.request_id), []).append(record)
        return found

    def shape(self, digest: str) -> Shape:
        """Return a shape by its digest; StoreError when there is none."""
        rows = self.read("SELECT description FROM ganglion_log_shapes WHERE id = ?", (digest,))
        if not rows:
            raise StoreError(f"the log store has no shape {digest[:64]}", may_pass=False)
        return Shape.read(rows[0][0])

    def prune(self, *, before: float, most: int) -> bool:
        """Delete what is from before a time, and all but about the last `most` records of each table.

        At most 2,000 of each go at once, so that nobody waits for long: returns whether there may be more.
        """
        deleted = 0
        with self.transaction() as cursor:
            for table, time in (("ganglion_log_predictions", "asked"), ("ganglion_log_feedback", "told")):
                # The oldest come first by their numbers, so that no index by time is to be kept up.
                some = f"seq IN (SELECT seq FROM {table} ORDER BY seq LIMIT {DELETED_AT_ONCE})"
                old = f"{time} < ? OR seq <= (SELECT MAX(seq) FROM {table}) - ?"
                cursor.execute(self.sql(f"DELETE FROM {table} WHERE {some} AND ({old})"), (before, most))
                deleted = max(deleted, cursor.rowcount)
        return deleted >= DELETED_AT_ONCE

    def read(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that has ? for values."""
        with self._faults():
            rows: list[tuple[Any, ...]] = self._connected().execute(self.sql(text), values).fetchall()
        return rows

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Give a cursor within a transaction, which is undone by any fault."""
        with self._faults():
            cursor = self._connected().cursor()
            cursor.execute(self._database.begin)
            yield cursor
            cursor.execute("COMMIT")

    def sql(self, text: str) -> str:
        """Put a statement into the database's words."""
        return self._database.sql(text)

    def close(self) -> None:
        """Let go of the connection; the next use makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.rollback()  # a cursor that somebody still holds would keep SQLite's file locked
                connection.close()
            except self._database.faults:
                return  # it has gone already

    def _by_id(
        self, table: str, names: Sequence[str], model: str, request_ids: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        columns = ", ".join(names)
        for start in range(0, len(request_ids), AT_ONCE):
            some = request_ids[start : start + AT_ONCE]
            marks = ", ".join("?" * len(some))
            text = f"SELECT {columns} FROM {table} WHERE model = ? AND request_id IN ({marks}) ORDER BY seq"
            yield from self.read(text, (model, *some))

    def _connected(self) -> Any:
        if self._connection is not None and self._database.stamp() != self._stamp:
            self.close()
        if self._connection is None:
            self._connection = self._database.connect()
            self._known = set()
            self._prepare(self._connection)
            self._stamp = self._database.stamp()
        return self._connection

    def _prepare(self, connection: Any) -> None:
        """Make the tables where there are none; StoreError for those of another version."""
        if not self._is_read_only:
            database = self._database
            connection.execute(database.begin)
            connection.execute(database.lock)
            for table in TABLES:
                connection.execute(database.sql(table))
            connection.execute(database.sql(VERSIONED), (SCHEMA_VERSION,))
            connection.execute("COMMIT")
        found = connection.execute("SELECT MAX(version) FROM ganglion_log_meta").fetchone()[0]
        if found != SCHEMA_VERSION:
            raise StoreError(
                f"the log store is of version {found}, and this program knows version {SCHEMA_VERSION}: "
                "update the older of the two, or begin another store",
                may_pass=False,
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except self._database.faults as error:
            self.close()
            may_pass = not isinstance(error, self._database.refusing)
            raise StoreError(_said(error), may_pass=may_pass) from error
        except BaseException:
            self.close()
            raise


def _said(error: Exception) -> str:
    """Return the first line of what a database says, which may go on about hosts and ports, and what to do."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0][:256]
    return f"{said}: {HINTS[said]}" if said in HINTS else said
