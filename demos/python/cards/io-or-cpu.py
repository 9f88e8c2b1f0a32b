# A wait passes the time, and needs no CPU; a computation needs it.
import time

cpu, passed = time.process_time(), time.perf_counter()
time.sleep(0.2)
waited = time.process_time() - cpu
assert time.perf_counter() - passed >= 0.2 and waited < 0.1

cpu = time.process_time()
sum(i * i for i in range(2_000_000))
assert time.process_time() - cpu > waited
