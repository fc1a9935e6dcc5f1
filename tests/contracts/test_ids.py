"""Identifiers: in order of their time, and never twice, in whatever thread or process."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

from contracts.ids import new_id

MANY = 3_000


def many(_: object = None) -> list[str]:
    return [str(new_id()) for _ in range(MANY)]


def test_is_a_uuid_of_version_seven_in_order_of_time() -> None:
    before, after = new_id(), new_id()
    assert (before.version, before.variant) == (7, "specified in RFC 4122")
    assert before.int >> 80 <= after.int >> 80


def test_no_two_threads_get_the_same() -> None:
    with ThreadPoolExecutor(8) as threads:
        found = [one for some in threads.map(many, range(8)) for one in some]
    assert len(set(found)) == 8 * MANY


def test_no_two_forks_draw_the_same() -> None:
    new_id()  # what was drawn for later is there when the processes are forked
    with get_context("fork").Pool(2) as processes:
        first, second = processes.map(many, range(2), chunksize=1)
    ours = many()
    tails = {one[-12:] for one in [*first, *second, *ours]}  # without the time, which would hide it
    assert len(tails) == 3 * MANY
