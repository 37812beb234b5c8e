# attack: a file of the view made writable
# claim: FS-2
# expect: EROFS
# control: without landlock: EROFS
# control: bare: EPERM
# evidence: none: the mount is read-only
import errno, os

try:
    os.chmod("/etc/passwd", 0o666)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
