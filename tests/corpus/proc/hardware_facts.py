# attack: the host's devices and power counters in /sys
# claim: PROC-1
# expect: ENOENT
# control: bare: ok
# evidence: none: there is no /sys
import errno, os

try:
    os.listdir("/sys/class")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
