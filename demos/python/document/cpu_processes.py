# As printed: RuntimeErrors for ever where children are not forked: no guard.
from multiprocessing import Pool
import time

def compute(n):
    return sum(i * i for i in range(n))

# A child that is not forked imports this file, and must not start a pool of its own.
if __name__ == "__main__":
    start = time.time()
    with Pool(5) as p:
        results = p.map(compute, [10_000_000] * 5)
        print(results)

    print(f"Total Time: {time.time() - start:.2f} seconds")
