# Two threads, two locks, opposite order: no error comes, and only the timeouts end the waits.
import threading

knife, board = threading.Lock(), threading.Lock()
both = threading.Barrier(2, timeout=60)
got = []

def cut(first, then):
    with first:
        both.wait()
        got.append(then.acquire(timeout=0.2))
        both.wait()

cooks = [threading.Thread(target=cut, args=pair) for pair in [(knife, board), (board, knife)]]
for cook in cooks: cook.start()
for cook in cooks: cook.join()
assert got == [False, False]
