# As printed: a NameError. threading and task are in the sample before it.
import threading  # ours: from the sample before
import time  # ours: for the sleep

started = threading.Event()  # ours: main waits until task has begun

def task():  # ours: from the sample before
    print("Running in a thread")  # ours: from the sample before
    started.set()  # ours: now main may end
    time.sleep(60)  # ours: main ends long before this is over
    print("Never printed: main has ended")  # ours: shows that it is cut off

thread = threading.Thread(target=task, daemon=True)
thread.start()
started.wait()  # ours: otherwise main could end before task begins
