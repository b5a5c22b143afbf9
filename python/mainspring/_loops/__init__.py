"""Event loops: finding and making them, guessing which is meant, what stops and ends them."""
