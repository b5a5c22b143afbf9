"""Jobs as JSON: the format of ``export_jobs`` and ``import_jobs``.

The format is APScheduler 3.11's, with its names, so that each library reads the other's files. An object
that has ``__getstate__`` and ``__setstate__`` becomes ``{"__apscheduler_class__": reference,
"__apscheduler_state__": state}``, any other that JSON does not know ``{"__apscheduler_pickle__": base64
of its pickle}``.
"""

from __future__ import annotations

import json
import pickle
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any

from mainspring._pickles import dumps, loads, ours, state_with_their_names, theirs
from mainspring.util import obj_to_ref, ref_to_obj

if TYPE_CHECKING:
    from mainspring.job import Job

FORMAT_VERSION = 1


def dump(jobs: Iterable[Job], file: IO[str], scheduler_version: str) -> None:
    """Write jobs to a text file.

    :raises ValueError: if a job's callable has no importable name
    """
    document = {
        "version": FORMAT_VERSION,
        "scheduler_version": scheduler_version,
        "jobs": [job.__getstate__() for job in jobs],
    }
    json.dump(document, file, default=_encode)


def load(file: IO[str]) -> list[Job]:
    """Read the jobs from a text file, whether mainspring or APScheduler wrote it.

    What the file holds is unpickled: read only files that you trust.

    :raises ValueError: if the file is not such a document
    """
    from mainspring.job import Job

    document = json.load(file, object_hook=_decode)
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, got {type(document).__name__}")
    version = document.get("version")
    if version != FORMAT_VERSION:
        raise ValueError(f"unrecognized version: {version}")
    jobs = []
    for state in document["jobs"]:
        job = Job.__new__(Job)
        job.__setstate__(state)
        jobs.append(job)
    return jobs


def _encode(obj: Any) -> dict[str, Any]:
    if hasattr(obj, "__getstate__") and hasattr(obj, "__setstate__"):
        state = state_with_their_names(obj)
        if isinstance(state, Mapping):
            return {
                "__apscheduler_class__": theirs(obj_to_ref(type(obj))),
                "__apscheduler_state__": state,
            }
    pickled = dumps(obj, pickle.HIGHEST_PROTOCOL, "apscheduler")
    return {"__apscheduler_pickle__": b64encode(pickled).decode("ascii")}


def _decode(obj: dict[str, Any]) -> Any:
    if pickled := obj.get("__apscheduler_pickle__"):
        return loads(b64decode(pickled))
    if (reference := obj.get("__apscheduler_class__")) and "__apscheduler_state__" in obj:
        cls = ref_to_obj(ours(reference))
        instance = cls.__new__(cls)
        instance.__setstate__(obj["__apscheduler_state__"])
        return instance
    return obj
