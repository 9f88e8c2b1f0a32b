# n = n + one() is a load, a call, an addition and a store. Another thread may run in between: additions are lost.
import sys, threading

sys.setswitchinterval(1e-6)
n = 0

def one():
    return 1

def add(times):
    global n
    for _ in range(times):
        n = n + one()

# Luck can save every addition of a try, but not of all tries.
for attempt in range(30):
    n = 0
    threads = [threading.Thread(target=add, args=(100_000,)) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    if n < 200_000: break
else:
    raise AssertionError("no addition was lost in 30 tries")
