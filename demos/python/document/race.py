# Ours: the document describes a race condition, and has no code for it.
import threading

number = 0
both = threading.Barrier(2)

def add():
    global number
    loaded = number
    both.wait()  # Both have loaded before either stores.
    number = loaded + 1

threads = [threading.Thread(target=add) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
print(f"1 + 1 = {number}")
