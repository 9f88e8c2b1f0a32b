# A queue with a bound holds the producer back; one without takes everything.
import queue

bounded, unbounded = queue.Queue(maxsize=2), queue.Queue()
for i in range(2):
    bounded.put_nowait(i)
try:
    bounded.put_nowait(2)
    raise AssertionError
except queue.Full:
    pass
for i in range(10_000):
    unbounded.put_nowait(i)
assert unbounded.qsize() == 10_000
