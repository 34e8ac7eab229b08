"""Solutions that learners might build for each judge: a right one, and wrong ones.

Each module has ``right`` and ``wrong``, a table of functions and a part of the verdict's story for
each; every function makes a fresh build, and ``judge`` judges it.
"""
