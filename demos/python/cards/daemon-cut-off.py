# A program ends although its daemon thread has not; without daemon=True it waits for it.
import subprocess, sys

program = """
import threading, time
def work():
    time.sleep(0.2)
    print("finished", flush=True)
threading.Thread(target=work, daemon={}).start()
"""

def output(daemon):
    command = [sys.executable, "-c", program.format(daemon)]
    return subprocess.run(command, capture_output=True, text=True).stdout

assert output(False) == "finished\n" and output(True) == ""
