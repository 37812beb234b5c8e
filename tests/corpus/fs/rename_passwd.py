# attack: a file of the view renamed
# claim: FS-2
# expect: EROFS | EACCES
# control: none: the case does the same to a file of its own first, which must work
# evidence: none: the mount is read-only, which the kernel says first
import errno, os

open("own", "w").close()
os.rename("own", "other")
try:
    os.rename("/etc/passwd", "/etc/passwd-")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
