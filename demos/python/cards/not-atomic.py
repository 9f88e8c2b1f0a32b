# n += 1 is several bytecodes, and another thread may run between the load and the store.
import dis

def add():
    global n
    n += 1

names = [instruction.opname for instruction in dis.get_instructions(add)]
assert names.index("LOAD_GLOBAL") < names.index("STORE_GLOBAL") - 1
