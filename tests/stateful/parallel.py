"""Do the same thing many times at the same moment, each on its own connection: in threads, or processes of threads."""

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from django.db import connections

PROCESSES = 4
PATIENCE_S = 60


def in_threads(times: int, work: Callable[[int], object]) -> list[object]:
    """What each call answered, or the exception it raised, by its number."""
    answers: list[object] = [None] * times
    start = threading.Barrier(times)

    def one(number: int) -> None:
        try:
            start.wait(PATIENCE_S)
            answers[number] = work(number)
        except Exception as error:  # noqa: BLE001 the caller looks at it
            answers[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return answers


def in_processes(times: int, work: Callable[[int], object]) -> list[object]:
    """As above, in four processes. Answers travel by pipe, so they must be picklable; exceptions travel as text."""
    connections.close_all()  # a child must not talk through our connection
    fork = multiprocessing.get_context("fork")
    share = times // PROCESSES
    children = []
    for first in range(0, times, share):
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_child, args=(theirs, first, share, work))
        process.start()
        children.append((ours, process))
    answers: list[object] = []
    for ours, process in children:
        assert ours.poll(PATIENCE_S), "a process does not answer"
        answers += ours.recv()
        process.join(PATIENCE_S)
    return answers


def _child(answer: Connection, first: int, share: int, work: Callable[[int], object]) -> None:
    found = in_threads(share, lambda number: work(first + number))
    answer.send([repr(each) if isinstance(each, Exception) else each for each in found])


WAYS = [in_threads, in_processes]
