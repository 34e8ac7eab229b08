"""General building blocks, which know nothing about hubs, monitors or message formats.

Most modules are pure: they do no input or output, and get the time as an argument. The exceptions
are listed as ``IMPURE_CORE`` in ``tests/test_architecture.py``.
"""
