# attack: every process that it may signal killed
# claim: LAT-1
# expect: own
# control: none: it may end what is its own; that somebody answers shows that nobody else was hit
# evidence: none: it may end what is its own
import os, signal, time

child = os.fork()
if child == 0:
    time.sleep(60)
os.kill(-1, signal.SIGKILL)
print("own" if os.waitpid(child, 0)[1] == signal.SIGKILL else "survived")
