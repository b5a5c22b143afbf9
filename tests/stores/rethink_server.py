"""A stand-in for a RethinkDB server: its protocol, and as much of ReQL as job stores use.

The real client talks to it. It keeps to RethinkDB's documentation: a secondary index leaves out null
and is not there before a client has waited for it, values of different types are sorted by the
types' names, a long stream comes in several batches.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from rethinkdb import ql2_pb2

from tests.stores.wire import Server, receive, receive_until

TERMS = {v: k for k, v in vars(ql2_pb2.Term.TermType).items() if not k.startswith("_")}
QUERY, RESPONSE = ql2_pb2.Query.QueryType, ql2_pb2.Response.ResponseType
#: How many documents of a stream come at once.
BATCH = 50

Row = dict[str, Any]


class ReqlError(Exception):
    """What the client is told of as an error of its query."""


class Database(NamedTuple):
    name: str


class Table:
    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[str, Row] = {}
        #: Whether a client has waited for the index.
        self.indexes: dict[str, bool] = {}


class Stream(list[Any]):
    """Documents, and the table they may be changed in."""

    def __init__(self, rows: Any, table: Table | None = None) -> None:
        super().__init__(rows)
        self.table = table


class RethinkServer(Server):
    """A server whose only user is ``admin``, with the password that is given."""

    def __init__(self, password: str = "") -> None:
        self.password = password
        self.data: dict[str, dict[str, Table]] = {"test": {}}
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        self.shake_hands(connection)
        rest: dict[int, list[Any]] = {}
        while True:
            token, size = struct.unpack("<qI", receive(connection, 12))
            kind, *query = json.loads(receive(connection, size))
            if kind == QUERY.CONTINUE:
                # The client asks for more of any stream, before it has looked whether there is more.
                reply = batch(rest, token, rest.pop(token)) if token in rest else no_stream(token)
            elif kind == QUERY.STOP:
                rest.pop(token, None)
                reply = {"t": RESPONSE.SUCCESS_SEQUENCE, "r": []}
            elif kind == QUERY.NOREPLY_WAIT:
                reply = {"t": RESPONSE.WAIT_COMPLETE, "r": []}
            else:
                reply = self.answer(rest, token, *query)
            text = json.dumps(reply).encode()
            connection.sendall(struct.pack("<qI", token, len(text)) + text)

    def shake_hands(self, connection: socket.socket) -> None:
        """Do what RFC 5802 says of the server, with SHA-256."""

        def send(**message: Any) -> None:
            connection.sendall(json.dumps({"success": True, **message}).encode() + b"\0")

        def read() -> str:
            return str(json.loads(receive_until(connection, b"\0"))["authentication"])

        def mac(key: bytes, text: str) -> bytes:
            return hmac.new(key, text.encode(), hashlib.sha256).digest()

        version = struct.unpack("<L", receive(connection, 4))
        assert version == (ql2_pb2.VersionDummy.Version.V1_0,)
        first = read().removeprefix("n,,")
        send(min_protocol_version=0, max_protocol_version=0, server_version="2.4.4")
        salt = b"salt"
        challenge = f"{first.partition('r=')[2]}more,s={base64.b64encode(salt).decode()},i=1"
        send(authentication=f"r={challenge}")
        last, _, proof = read().partition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, 1)
        client_key = mac(salted, "Client Key")
        signed = f"{first},r={challenge},{last}"
        signature = mac(hashlib.sha256(client_key).digest(), signed)
        expected = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        if base64.b64decode(proof) != expected:
            send(success=False, error_code=12, error="Wrong password")
            raise EOFError
        verifier = base64.b64encode(mac(mac(salted, "Server Key"), signed)).decode()
        send(authentication=f"v={verifier}")

    def answer(
        self, rest: dict[int, list[Any]], token: int, term: Any, options: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            with self.lock:
                evaluation = Evaluation(self, options)
                value = evaluation.value(term, {})
                self.writes += evaluation.writes[:1]
        except ReqlError as exc:
            return {
                "t": RESPONSE.RUNTIME_ERROR,
                "e": ql2_pb2.Response.ErrorType.OP_FAILED,
                "r": [str(exc)],
                "b": [],
            }
        if isinstance(value, Table):
            value = Stream(value.rows.values())
        if isinstance(value, Stream):
            return batch(rest, token, value)
        return {"t": RESPONSE.SUCCESS_ATOM, "r": [value]}


def no_stream(token: int) -> dict[str, Any]:
    return {"t": RESPONSE.CLIENT_ERROR, "r": [f"Token {token} not in stream cache."], "b": []}


def batch(rest: dict[int, list[Any]], token: int, rows: list[Any]) -> dict[str, Any]:
    if len(rows) <= BATCH:
        return {"t": RESPONSE.SUCCESS_SEQUENCE, "r": rows}
    rest[token] = rows[BATCH:]
    return {"t": RESPONSE.SUCCESS_PARTIAL, "r": rows[:BATCH]}


def order(value: Any) -> Any:
    """Return what to compare a value by: its type's name, then itself."""
    if value is None:
        return ("NULL",)
    if isinstance(value, bool):
        return ("BOOL", value)
    if isinstance(value, int | float):
        return ("NUMBER", value)
    return ("STRING", value)


class Evaluation:
    """One query."""

    def __init__(self, server: RethinkServer, options: dict[str, Any]) -> None:
        self.server = server
        self.options = options
        self.writes: list[str] = []

    def value(self, term: Any, scope: Row) -> Any:
        """Return what a term means where these variables are known; ``""`` is the implicit one."""
        if isinstance(term, dict):
            return {key: self.value(member, scope) for key, member in term.items()}
        if not isinstance(term, list):
            return term
        kind, arguments, *rest = term
        options = rest[0] if rest else {}
        name = TERMS[kind]
        if name == "FUNC":
            (_, names), body = arguments[0], arguments[1]
            return lambda *values: self.value(
                body, {**scope, **dict(zip(names, values, strict=True)), "": values[0]}
            )
        if name == "VAR":
            return scope[arguments[0]]
        if name == "IMPLICIT_VAR":
            return scope[""]
        if name in ("DELETE", "INSERT", "UPDATE"):
            self.writes.append(name)
        values = [self.value(argument, scope) for argument in arguments]
        return getattr(self, f"do_{name.lower()}")(
            *values, **{key: self.value(option, scope) for key, option in options.items()}
        )

    # Databases, tables and indexes

    def do_db(self, name: str) -> Database:
        return Database(name)

    def do_db_list(self) -> list[str]:
        return list(self.server.data)

    def do_db_create(self, name: str) -> Row:
        self.server.data[name] = {}
        return {"dbs_created": 1}

    def tables(self, database: Database | None = None) -> dict[str, Table]:
        if database is None:
            database = self.value(self.options["db"], {})
        assert isinstance(database, Database)
        try:
            return self.server.data[database.name]
        except KeyError:
            raise ReqlError(f"Database `{database.name}` does not exist.") from None

    def do_table_list(self, *database: Database) -> list[str]:
        return list(self.tables(*database))

    def do_table_create(self, *arguments: Any) -> Row:
        *database, name = arguments
        self.tables(*database)[name] = Table(name)
        return {"tables_created": 1}

    def do_table(self, *arguments: Any) -> Table:
        *database, name = arguments
        try:
            return self.tables(*database)[name]
        except KeyError:
            raise ReqlError(f"Table `{name}` does not exist.") from None

    def do_index_list(self, table: Table) -> list[str]:
        return list(table.indexes)

    def do_index_create(self, table: Table, name: str) -> Row:
        table.indexes[name] = False
        return {"created": 1}

    def do_index_wait(self, table: Table, *names: str) -> list[Row]:
        table.indexes.update(dict.fromkeys(names, True))
        return [{"index": name, "ready": True} for name in names]

    def indexed(self, table: Table, index: str) -> list[Row]:
        """Return the documents in an index, in its order."""
        if not table.indexes.get(index):
            raise ReqlError(f"Index `{index}` on table `{table.name}` was accessed too early.")
        rows = [row for row in table.rows.values() if row.get(index) is not None]
        return sorted(rows, key=lambda row: order(row[index]))

    # Reading

    def rows(self, sequence: Any) -> Stream:
        if isinstance(sequence, Table):
            return Stream(sequence.rows.values(), sequence)
        return sequence if isinstance(sequence, Stream) else Stream(sequence)

    def do_get_all(self, table: Table, *keys: str) -> Stream:
        return Stream([table.rows[key] for key in keys if key in table.rows], table)

    def do_minval(self) -> Any:
        return None  # null is less than any number, and no key

    def do_between(
        self, table: Table, low: Any, high: Any, index: str, right_bound: str = "open"
    ) -> Stream:
        assert low is None
        limit = order(high)
        is_in: Callable[[Any], bool] = (
            (lambda key: key <= limit) if right_bound == "closed" else (lambda key: key < limit)
        )
        return Stream([r for r in self.indexed(table, index) if is_in(order(r[index]))], table)

    def do_filter(self, sequence: Any, predicate: Any) -> Stream:
        rows = self.rows(sequence)
        return Stream([row for row in rows if predicate(row)], rows.table)

    def do_order_by(self, sequence: Any, *keys: str, index: str | None = None) -> Any:
        if index is not None:
            return Stream(self.indexed(sequence, index), sequence)
        # Without an index it is an array.
        return sorted(self.rows(sequence), key=lambda row: [order(row.get(key)) for key in keys])

    def do_asc(self, key: str) -> str:
        return key

    def do_limit(self, sequence: Any, count: int) -> Any:
        return like(sequence, self.rows(sequence)[:count])

    def do_pluck(self, sequence: Any, *keys: str) -> Any:
        return like(
            sequence, [{k: row[k] for k in keys if k in row} for row in self.rows(sequence)]
        )

    def do_map(self, sequence: Any, function: Any) -> Any:
        return like(sequence, [function(row) for row in self.rows(sequence)])

    def do_bracket(self, row: Row, key: str) -> Any:
        return row[key]

    def do_ne(self, one: Any, other: Any) -> bool:
        return bool(one != other)

    def do_le(self, one: Any, other: Any) -> bool:
        return bool(order(one) <= order(other))

    def do_make_array(self, *values: Any) -> list[Any]:
        return list(values)

    # Writing

    def result(self, **counts: Any) -> Row:
        zero = dict.fromkeys(
            ("deleted", "errors", "inserted", "replaced", "skipped", "unchanged"), 0
        )
        return {**zero, **counts}

    def refusal(self, row: Row) -> Row | None:
        if row["id"] in self.server.refused:
            return self.result(errors=1, first_error="Write hook: not this one.")
        return None

    def do_insert(self, table: Table, row: Row) -> Row:
        if row["id"] in table.rows:
            return self.result(errors=1, first_error=f"Duplicate primary key `id`:\n{row}")
        if (refusal := self.refusal(row)) is None:
            table.rows[row["id"]] = row
        return refusal or self.result(inserted=1)

    def do_update(self, sequence: Any, change: Row) -> Row:
        rows = self.rows(sequence)
        assert rows.table is not None
        results = []
        for row in rows:
            new = {**row, **change}
            if (refusal := self.refusal(row)) is None:
                rows.table.rows[row["id"]] = new
            changed = self.result(**{"unchanged" if new == row else "replaced": 1})
            results.append(refusal or changed)
        return self.total(results)

    def do_delete(self, sequence: Any) -> Row:
        rows = self.rows(sequence)
        assert rows.table is not None
        results = []
        for row in rows:
            if (refusal := self.refusal(row)) is None:
                del rows.table.rows[row["id"]]
            results.append(refusal or self.result(deleted=1))
        return self.total(results)

    def do_for_each(self, sequence: Any, function: Any) -> Row:
        return self.total([function(value) for value in self.rows(sequence)])

    def total(self, results: list[Row]) -> Row:
        total = self.result()
        for result in results:
            for name, count in result.items():
                if name == "first_error":
                    total.setdefault(name, count)
                else:
                    total[name] += count
        return total


def like(sequence: Any, rows: list[Any]) -> Any:
    """Return documents as a stream if they come from one, else as an array."""
    is_stream = isinstance(sequence, Stream | Table)
    return Stream(rows, getattr(sequence, "table", None)) if is_stream else list(rows)
