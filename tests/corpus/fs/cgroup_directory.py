# attack: a control group made
# seen: CVE-2023-25809
# claim: CG-1
# expect: ENOENT
# control: bare: EACCES
# evidence: none: there is no /sys
import errno, os

try:
    os.mkdir("/sys/fs/cgroup/stockade-corpus")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
