"""What schedulers are made of: jobs, stores and executors, the sweep of stores, timer thread, loops."""
