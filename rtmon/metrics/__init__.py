"""What is measured: pure, standard library only, no I/O, time passed in."""
