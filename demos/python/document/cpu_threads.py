# Runs as printed. A free-threaded Python does gain here.
import threading
import time

def compute(n):
    print(sum(i * i for i in range(n)))

start = time.time()
# ours: printed as one line, which is too long here
threads = [threading.Thread(target=compute, args=(10_000_000,))
           for _ in range(5)]

for t in threads: t.start()
for t in threads: t.join()

print(f"Total Time: {time.time() - start:.2f} seconds")
