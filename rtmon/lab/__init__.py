"""Tools that put a WebSocket server under load and inject network faults."""
