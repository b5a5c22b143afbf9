"""A stand-in for a MongoDB server: its wire protocol, over documents that mongomock keeps.

PyMongo itself talks to it, in BSON. It knows the commands that a job store sends, and of their
options those that matter there; what they mean is mongomock's business.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import bson
import mongomock
from pymongo.errors import DuplicateKeyError

from tests.stores.wire import Server, receive

HEADER = struct.Struct("<iiii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
#: How many documents come without being asked for again.
FIRST_BATCH = 101

HELLO = {
    "ismaster": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}

Document = dict[str, Any]


class MongoServer(Server):
    """A server that stands alone, without users, sessions or transactions."""

    def __init__(self) -> None:
        self.data: Any = mongomock.MongoClient()
        self._cursors: dict[int, list[Document]] = {}
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        while True:
            size, request, _, code = HEADER.unpack(receive(connection, HEADER.size))
            body = receive(connection, size - HEADER.size)
            if code == OP_QUERY:  # how old clients say hello
                start = body.index(b"\0", 4) + 9
                reply = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(
                    self.answer(bson.decode(body[start:]))
                )
                answer = OP_REPLY
            else:
                reply = struct.pack("<IB", 0, 0) + bson.encode(self.answer(_message(body)))
                answer = OP_MSG
            connection.sendall(HEADER.pack(HEADER.size + len(reply), 0, request, answer) + reply)

    def answer(self, command: Document) -> Document:
        name = next(iter(command))
        method = getattr(self, f"do_{name.lower()}", None)
        if method is None:
            return {"ok": 0.0, "code": 59, "errmsg": f"no such command: '{name}'"}
        with self.lock:
            if name in ("insert", "update", "delete"):
                self.writes.append(name)
            return {**method(command), "ok": 1.0}

    def collection(self, command: Document) -> Any:
        return self.data[command["$db"]][command[next(iter(command))]]

    def do_hello(self, command: Document) -> Document:
        return HELLO

    do_ismaster = do_hello

    def do_ping(self, command: Document) -> Document:
        return {}

    do_endsessions = do_ping

    def do_createindexes(self, command: Document) -> Document:
        for index in command["indexes"]:
            options = {k: v for k, v in index.items() if k in ("name", "sparse", "unique")}
            self.collection(command).create_index(list(index["key"].items()), **options)
        return {}

    def do_listindexes(self, command: Document) -> Document:
        return self.batch(command, list(self.collection(command).list_indexes()))

    def do_find(self, command: Document) -> Document:
        found = self.collection(command).find(
            command.get("filter"),
            command.get("projection"),
            sort=list(command.get("sort", {}).items()),
            limit=command.get("limit", 0),
        )
        return self.batch(command, list(found))

    def batch(self, command: Document, documents: list[Document]) -> Document:
        cursor = 0
        if len(documents) > FIRST_BATCH:
            cursor = len(self._cursors) + 1
            self._cursors[cursor] = documents[FIRST_BATCH:]
        space = f"{command['$db']}.{command[next(iter(command))]}"
        return {
            "cursor": {"firstBatch": documents[:FIRST_BATCH], "id": bson.Int64(cursor), "ns": space}
        }

    def do_getmore(self, command: Document) -> Document:
        documents = self._cursors[command["getMore"]]
        self._cursors[command["getMore"]] = []
        space = f"{command['$db']}.{command['collection']}"
        return {"cursor": {"nextBatch": documents, "id": bson.Int64(0), "ns": space}}

    def do_insert(self, command: Document) -> Document:
        def insert(document: Document) -> Document:
            self.collection(command).insert_one(document)
            return {"n": 1}

        return self.write(command["documents"], insert, lambda document: document["_id"])

    def do_update(self, command: Document) -> Document:
        def update(change: Document) -> Document:
            result = self.collection(command).update_one(change["q"], change["u"])
            return {"n": result.matched_count, "nModified": result.modified_count}

        return self.write(command["updates"], update, lambda change: change["q"]["_id"])

    def do_delete(self, command: Document) -> Document:
        def delete(change: Document) -> Document:
            collection = self.collection(command)
            delete = collection.delete_one if change["limit"] else collection.delete_many
            return {"n": delete(change["q"]).deleted_count}

        return self.write(command["deletes"], delete, lambda change: change["q"].get("_id"))

    def write(self, items: list[Document], write: Any, id_of: Any) -> Document:
        reply: Document = {"n": 0}
        errors = []
        for index, item in enumerate(items):
            if id_of(item) in self.refused:
                errors.append({"index": index, "code": 121, "errmsg": "failed validation"})
                continue
            try:
                for name, count in write(item).items():
                    reply[name] = reply.get(name, 0) + count
            except DuplicateKeyError as exc:
                errors.append({"index": index, "code": 11000, "errmsg": str(exc)})
        return {**reply, "writeErrors": errors} if errors else reply


def _message(body: bytes) -> Document:
    """Return the command in a message, whose long lists may have sections of their own."""
    command: Document = {}
    at = 4
    while at < len(body):
        kind, (size,) = body[at], struct.unpack_from("<i", body, at + 1)
        section = body[at + 1 : at + 1 + size]
        if kind == 0:
            command = {**bson.decode(section), **command}
        else:
            end = section.index(b"\0", 4)
            command[section[4:end].decode()] = bson.decode_all(section[end + 1 :])
        at += 1 + size
    return command
