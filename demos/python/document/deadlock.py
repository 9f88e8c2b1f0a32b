# Ours: the document describes a deadlock, and has no code for it.
import threading

knife, board = threading.Lock(), threading.Lock()
both = threading.Barrier(2)

def cut(first, then):
    with first:
        both.wait()  # Each has one thing, and wants the other's.
        # Without a timeout it would wait for ever.
        if then.acquire(timeout=1):
            then.release()
        else:
            print("waited in vain")
        both.wait()  # Neither lets go before both have given up.

orders = [(knife, board), (board, knife)]
cooks = [threading.Thread(target=cut, args=order) for order in orders]
for cook in cooks: cook.start()
for cook in cooks: cook.join()
