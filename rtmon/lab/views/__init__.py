"""Notebook outputs for the lab: live charts and controls of fault proxies and scenarios."""
