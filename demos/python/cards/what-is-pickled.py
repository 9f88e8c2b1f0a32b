# What goes to another process is pickled: a function by its name, and so no lambda.
import pickle

def named():
    return 42

assert pickle.loads(pickle.dumps(named)) is named
try:
    pickle.dumps(lambda: 42)
    raise AssertionError
except (pickle.PicklingError, AttributeError):
    pass
