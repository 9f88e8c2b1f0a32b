# As printed: RuntimeErrors for ever, where children are not forked.
from multiprocessing import Pool
import time

def compute(n):
    return sum(i * i for i in range(n))

# ours: a child that is not forked imports this file, and must start no pool
if __name__ == "__main__":  # ours: so this is for the parent only
    start = time.time()
    with Pool(5) as p:
        results = p.map(compute, [10_000_000] * 5)
        print(results)

    print(f"Total Time: {time.time() - start:.2f} seconds")
