# attack: the root of init
# claim: FS-1
# expect: ENOENT
# control: bare: EACCES
# control: root: ok
# evidence: none: hidepid hides init
import errno, os

try:
    os.listdir("/proc/1/root/")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
