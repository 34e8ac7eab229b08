"""What a hub offers, by who asks: the program, a Monitor, a transport."""
