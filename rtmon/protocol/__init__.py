"""The hub's protocol: envelope, catalog, codecs, close codes and limits. Pure, no I/O.

docs/protocol.md says in words what this package says in types.
"""
