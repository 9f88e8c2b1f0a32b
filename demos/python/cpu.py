"""The sums in Python, one function a mode. As in Rust, each sum is cut into pieces if there are several workers."""


def sum_of_squares(piece):
    return sum(i * i for i in range(*piece))


def pieces():
    """The pieces of all sums, in order."""
    n, each = JOB["n"], JOB["pieces"]
    one = [(n * place // each, n * (place + 1) // each) for place in range(each)]
    return one * JOB["tasks"]


def run():
    crew = {"sync": in_sequence, "threads": in_threads, "processes": in_processes}[JOB["mode"]]
    parts, *rest = crew(sum_of_squares, pieces())
    each = JOB["pieces"]
    # The sums are texts, because a JSON number cannot be trusted with so many digits.
    return [str(sum(parts[first : first + each])) for first in range(0, len(parts), each)], *rest


answer(run, "multiprocessing" if JOB["mode"] == "processes" else "threading" if JOB["mode"] == "threads" else "builtins")
