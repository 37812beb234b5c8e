"""Prints ten gigabytes."""
import sys

line = b"all work and no play makes jack a dull boy\n" * 24_000
for _ in range(10_000):
    sys.stdout.buffer.write(line)
