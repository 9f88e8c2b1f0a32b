# A thread that wants its own Lock again waits for ever; an RLock counts instead.
import threading

lock, rlock = threading.Lock(), threading.RLock()
with lock, rlock:
    assert not lock.acquire(timeout=0.05)
    assert rlock.acquire(timeout=0.05)
    rlock.release()
