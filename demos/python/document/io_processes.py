# As printed: RuntimeErrors for ever, where children are not forked.
from multiprocessing import Pool
import requests
import time

def fetch(url):
    response = requests.get(url)
    return response.status_code

# ours: a child that is not forked imports this file, and must start no pool
if __name__ == "__main__":  # ours: so this is for the parent only
    urls = ["https://httpbin.org/delay/1"] * 5
    start = time.time()

    with Pool(5) as p:
        print(p.map(fetch, urls))

    print(f"Total Time: {time.time() - start:.2f} seconds")
