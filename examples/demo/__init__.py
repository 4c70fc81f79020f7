"""A small real job: a shop's evening work, by one producer and two worker processes on whatever broker is set."""
