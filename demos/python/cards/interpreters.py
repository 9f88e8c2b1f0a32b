# An interpreter has modules and variables of its own. (Before 3.14 there is no module to see it with.)
import sys

if sys.version_info >= (3, 14):
    from concurrent import interpreters

    n = 1
    other = interpreters.create()
    other.exec("assert 'n' not in globals(); n = 2")
    assert n == 1
    other.exec("assert n == 2")
    other.close()
else:
    try:
        from concurrent import interpreters
        raise AssertionError
    except ImportError:
        pass
