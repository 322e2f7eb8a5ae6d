from __future__ import annotations

import threading

from maelstrom_bootcamp.apps.yr.buffers import ALIGNMENT, BoundedCache, BufferPool


def test_memory_is_used_again_once_it_is_free():
    pool = BufferPool()
    first = pool.take((4, 8))
    address = first.ctypes.data
    assert address % ALIGNMENT == 0
    assert first.shape == (4, 8)
    del first
    assert pool.take((8, 4)).ctypes.data == address


def test_memory_in_use_is_never_handed_out():
    pool = BufferPool()
    first = pool.take((16,))
    part = first[3:5]  # a view of a view keeps it in use
    del first
    part[:] = 7
    second = pool.take((16,))
    second[:] = 1
    assert part.tolist() == [7, 7]
    held = pool.bytes
    del part, second
    pool.take((16,)), pool.take((16,))
    assert pool.bytes == held


def test_threads_never_share_a_buffer():
    pool, failures = BufferPool(), []

    def work(number: int) -> None:
        for _ in range(300):
            mine = pool.take((64,))
            mine[:] = number
            if not (mine == number).all():
                failures.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_cache_forgets_what_was_used_longest_ago():
    cache, made = BoundedCache(2), []

    def make(key):
        made.append(key)
        return key

    for key in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(key, lambda key=key: make(key)) == key
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2
