# attack: the handler of cores replaced
# seen: CVE-2025-31133, CVE-2025-52881
# claim: PROC-1
# expect: ENOENT
# control: bare: EACCES
# control: root: ok
# evidence: none: subset=pid leaves the file out
import errno, os

try:
    os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
