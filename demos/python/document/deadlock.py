# Ours: the document describes a deadlock, and has no code for it.
import threading

knife, board = threading.Lock(), threading.Lock()
both = threading.Barrier(2)

def cut(first, then):
    with first:
        both.wait()  # Each has one thing, and wants the other's.
        if then.acquire(timeout=1):  # Without a timeout it would wait for ever.
            then.release()
        else:
            print("waited in vain")
        both.wait()  # Neither lets go before both have given up.

cooks = [threading.Thread(target=cut, args=pair) for pair in [(knife, board), (board, knife)]]
for cook in cooks: cook.start()
for cook in cooks: cook.join()
