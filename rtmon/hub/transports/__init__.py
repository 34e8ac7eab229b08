"""Transports that connect clients to a hub: WebSocket, server-sent events, Socket.IO, ASGI.

A hub uses the interface ``Peer`` only. Only the modules of this package use sockets.
"""
