"""Admission of clients: authentication, permissions, rate limits, origins, token expiry."""
