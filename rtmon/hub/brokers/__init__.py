"""What carries publications and presence: within this process, or between several."""
