# Runs as printed.
import threading
lock = threading.Lock()

with lock:
    # safe access
    pass
