"""What the processes of one fork share: numbers, names, windows of time, facts, plans, and the lock on each."""
