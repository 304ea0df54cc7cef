import numpy

# The most that glibc lets its threshold grow to, less what surrounds an array.
LARGEST = 2**25 - 2**13


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next batch, up to 64 MB of it.

    A batch takes some MB of arrays and frees all of them. glibc hands them back to the system,
    and the next batch fetches them again, page by page, which for short sentences costs a tenth
    of the whole run and more. What is free at the end of the heap stays with the process up to a
    threshold, twice the size of the largest array that has been freed so far; so free a large
    one. As it is never touched, it takes up no memory. Where the environment sets the threshold
    (MALLOC_TRIM_THRESHOLD_), and with other C libraries, nothing changes.
    """
    numpy.empty(LARGEST, dtype="uint8")
