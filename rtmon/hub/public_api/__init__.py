"""The public methods of a hub, grouped by caller: the program, a Monitor, a transport."""
