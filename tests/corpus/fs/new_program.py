# attack: a program put beside those of the host
# claim: FS-2
# expect: EROFS
# control: none: the mount itself says no; make of a file of its own is in most cases
# evidence: none: the mount is read-only, which the kernel says first
import errno, os

try:
    os.open("/usr/bin/stockade-corpus", os.O_CREAT | os.O_WRONLY)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
