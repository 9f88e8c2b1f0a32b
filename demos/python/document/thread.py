# Runs as printed.
import threading

def task():
    print("Running in a thread")

thread = threading.Thread(target=task)
thread.start()
thread.join()
