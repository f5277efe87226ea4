"""What a request costs: who asks, and what stands beside it."""
