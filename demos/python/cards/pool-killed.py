# A worker dies in a call: multiprocessing.Pool never answers, ProcessPoolExecutor raises BrokenProcessPool.
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

if __name__ == "__main__":
    with multiprocessing.Pool(1) as pool:
        lost = pool.apply_async(os._exit, [1])
        # The pool has a new worker, which answers; the call of the dead one stays open.
        assert pool.apply_async(abs, [-1]).get(timeout=60) == 1
        assert not lost.ready()
    with ProcessPoolExecutor(1) as executor:
        try:
            executor.submit(os._exit, 1).result(timeout=60)
            raise AssertionError
        except BrokenProcessPool:
            pass
