# Runs as printed; it needs requests, which the setup does not install.
import requests
import time

urls = ["https://httpbin.org/delay/1"] * 5
start = time.time()

for url in urls:
    response = requests.get(url)
    print(response.status_code)

print(f"Total Time: {time.time() - start:.2f} seconds")
