"""Sinks: outputs of a Monitor. Each sink has a thread and a bounded queue."""
