# map gives the results in the order of the inputs, whichever came first.
import threading
from concurrent.futures import ThreadPoolExecutor

second_has_ended, ended = threading.Event(), []

def work(n):
    if n == 0:
        second_has_ended.wait(60)
    ended.append(n)
    if n == 1:
        second_has_ended.set()
    return n

with ThreadPoolExecutor(max_workers=2) as executor:
    assert list(executor.map(work, range(2))) == [0, 1] and ended == [1, 0]
