# join waits for the end of a thread. It returns None, and raises nothing of what happened there.
import threading
from concurrent.futures import ThreadPoolExecutor

def fails():
    raise ValueError

reported = []
threading.excepthook = lambda problem: reported.append(problem.exc_type)
thread = threading.Thread(target=fails)
thread.start()
assert thread.join() is None and not thread.is_alive() and reported == [ValueError]

with ThreadPoolExecutor() as executor:
    assert executor.submit(lambda: 42).result() == 42
    assert isinstance(executor.submit(fails).exception(), ValueError)
