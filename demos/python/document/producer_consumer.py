# As printed: it never ends, because nobody puts the consumer's None.
import threading
import queue
import time

q = queue.Queue()

def producer():
    for i in range(5):
        print(f"Produced {i}")
        q.put(i)
        time.sleep(1)
    q.put(None)  # ours: ends the consumer

def consumer():
    while True:
        item = q.get()
        if item is None:
            break
        print(f"Consumed {item}")
        q.task_done()

threading.Thread(target=producer).start()
threading.Thread(target=consumer).start()
