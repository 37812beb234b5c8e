# attack: processes of the host in /proc
# claim: PROC-1
# expect: none
# control: bare: found
# evidence: none: the pid namespace has no others
import os

others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) > 20]
print("found" if others else "none")
