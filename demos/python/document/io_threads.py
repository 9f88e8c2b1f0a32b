# Runs as printed; it needs requests, which the setup does not install.
import threading
import requests
import time

def fetch(url):
    response = requests.get(url)
    print(response.status_code)

urls = ["https://httpbin.org/delay/1"] * 5
threads = []
start = time.time()

for url in urls:
    t = threading.Thread(target=fetch, args=(url,))
    threads.append(t)
    t.start()

for t in threads:
    t.join()

print(f"Total Time: {time.time() - start:.2f} seconds")
