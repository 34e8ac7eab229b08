"""Pictures of the lab in a notebook: what is shown can be changed, and goes on by itself."""
