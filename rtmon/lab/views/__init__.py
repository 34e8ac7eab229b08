"""Interactive, live views of the lab's proxy and scenarios for notebooks."""
