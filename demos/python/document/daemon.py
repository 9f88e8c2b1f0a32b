# As printed: a NameError. threading and task are in the sample above it only.
import threading
import time

started = threading.Event()

def task():
    print("Running in a thread")
    started.set()
    time.sleep(60)
    print("Never printed: main has ended")

thread = threading.Thread(target=task, daemon=True)
thread.start()
started.wait()
