"""`make bench`: plastic beside what people use today, timed in turn in one process."""
