# A child process changes its own copy of a variable.
import multiprocessing

n = 1

def change(_):
    global n
    n += 1
    return n

if __name__ == "__main__":
    with multiprocessing.Pool(1) as pool:
        assert pool.map(change, [None, None]) == [2, 3]
    assert n == 1
