"""The public methods of ``Hub``, grouped by caller: the application, a Monitor, a transport."""
