# attack: the environment of any other process: a password, a token
# seen: judge0 #564
# claim: PROC-1
# expect: none
# control: root: found
# evidence: none: the pid namespace has no others
import os

found = False
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid():
        try:
            found |= len(open(f"/proc/{name}/environ", "rb").read()) > 0
        except OSError:
            pass
print("found" if found else "none")
