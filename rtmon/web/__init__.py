"""The JavaScript client for browsers, the chat page, and the HTTP responses that serve them."""
