# with gives the lock back also when an exception leaves the block.
import threading

lock = threading.Lock()
try:
    with lock:
        assert lock.locked()
        raise ValueError
except ValueError:
    pass
assert not lock.locked()
