# Runs as printed.
from concurrent.futures import ThreadPoolExecutor

def fetch_data():
    return "Data received"

with ThreadPoolExecutor(max_workers=2) as executor:
    results = list(executor.map(lambda _: fetch_data(), range(4)))
    print(results)
