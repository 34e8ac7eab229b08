"""The chat page and the browser client."""
