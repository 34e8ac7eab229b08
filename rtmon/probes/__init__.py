"""Where numbers come from: one module a library that moves WebSocket messages."""
