# Runs as printed.
import time

def compute(n):
    return sum(i * i for i in range(n))

start = time.time()
results = [compute(10_000_000) for _ in range(5)]
print(results)
print(f"Total Time: {time.time() - start:.2f} seconds")
