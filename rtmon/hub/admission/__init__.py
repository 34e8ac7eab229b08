"""Authentication, permissions, rate limits, origins and expiry of connections."""
