# attack: out of the root by its parent
# claim: FS-1
# expect: ENOENT
# control: bare: ok
# evidence: none: the view does not have it
import errno, os

try:
    os.stat("../../../../../../../../var/lib/dpkg/status")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
