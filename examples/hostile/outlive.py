"""Outlives its job: a grandchild in a session of its own, which ignores what it can ignore."""
import os
import signal
import sys
import time

arrived, arrival = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.write(arrival, b"%d" % os.getpid())
        for descriptor in range(3):
            os.close(descriptor)
        time.sleep(600)
    os._exit(0)
print("left process", os.read(arrived, 16).decode(), "behind", flush=True)
sys.exit(0)
