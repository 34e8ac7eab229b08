"""Where numbers go: each sink has one thread and a bounded queue."""
