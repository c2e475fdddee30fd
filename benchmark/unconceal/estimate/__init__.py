"""What a run takes before it starts: forward passes, disk, memory, time."""
