"""Building blocks that know nothing of WebSocket messages, hubs or monitors.

Except for the modules whose names say so (``atomic_file``, ``child_processes``,
``guarded_connection``, ``timers``, ``ticker``), nothing here does input or output.
"""
