"""Job stores: where the jobs of a scheduler are kept."""
