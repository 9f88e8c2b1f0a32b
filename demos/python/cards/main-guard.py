# A child that is not forked imports the main program, under the name __mp_main__.
import multiprocessing, sys

if __name__ != "__main__":
    assert __name__ == "__mp_main__"
    imported = True

def is_imported(_):
    return imported

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(is_imported, [None]) == [True]
    if sys.platform == "linux":
        since_3_14 = sys.version_info >= (3, 14)
        assert multiprocessing.get_start_method() == ("forkserver" if since_3_14 else "fork")
