"""What makes connections of ``websockets`` faster, on the versions that it was tested with."""
