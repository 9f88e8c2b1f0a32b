# As printed: RuntimeErrors for ever where children are not forked: no guard.
from multiprocessing import Pool
import requests
import time

def fetch(url):
    response = requests.get(url)
    return response.status_code

# A child that is not forked imports this file, and must not start a pool of its own.
if __name__ == "__main__":
    urls = ["https://httpbin.org/delay/1"] * 5
    start = time.time()

    with Pool(5) as p:
        print(p.map(fetch, urls))

    print(f"Total Time: {time.time() - start:.2f} seconds")
