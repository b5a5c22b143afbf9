"""A flag that signals cannot leave locked."""

from __future__ import annotations

import threading

from mainspring._loops.flag import Flag
from tests.support import PATIENCE


def test_it_is_set_and_cleared() -> None:
    flag = Flag()
    for _ in range(2):
        assert not flag.is_set()
        assert not flag.wait(0)
        flag.set()
        flag.set()
        assert flag.is_set()
        assert flag.wait(0)
        assert flag.wait()
        flag.clear()


def test_it_wakes_all_who_wait() -> None:
    flag = Flag()
    about_to = threading.Barrier(4)
    seen: list[bool] = []

    def wait() -> None:
        about_to.wait(PATIENCE)
        seen.append(flag.wait(PATIENCE))

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    about_to.wait(PATIENCE)
    flag.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert seen == [True] * 3


def test_one_who_is_cut_short_in_waiting_leaves_it_as_it_is() -> None:
    flag = Flag()
    flag.set()
    flag._lock.acquire()  # between the two steps of a wait
    flag.set()
    assert flag.wait(0)
    flag.clear()
    assert not flag.wait(0)
