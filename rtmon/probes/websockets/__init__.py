"""The probe for servers and clients made with ``websockets``."""
