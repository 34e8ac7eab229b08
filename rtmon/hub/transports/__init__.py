"""Ways into a hub. The hub sees a Peer; only the modules in here see a socket."""
