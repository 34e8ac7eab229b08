"""Sinks: outputs of a Monitor, each with a thread and a bounded queue."""
