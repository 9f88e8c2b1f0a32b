# Five threads wait at the same time; one thread waits five times.
import threading

# A barrier opens only when all five are waiting at it, each in its own thread.
barrier = threading.Barrier(5, timeout=60)
threads = [threading.Thread(target=barrier.wait) for _ in range(5)]
for t in threads: t.start()
for t in threads: t.join()
assert not barrier.broken
