# attack: its own memory as a file, through which read-only pages can be written
# claim: PROC-3
# expect: EACCES
# control: without landlock: ok
# evidence: landlock write /proc/PID/mem
import errno, os

try:
    os.open("/proc/self/mem", os.O_RDWR)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
