"""Runs a program of the host that is not on the list."""
import subprocess

print(subprocess.run(["/usr/bin/id"], check=True, capture_output=True, text=True).stdout)
