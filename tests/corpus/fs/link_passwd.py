# attack: a hard link to a file of the view
# claim: FS-2
# expect: EXDEV | EACCES
# control: none: the case does the same to a file of its own first, which must work
# evidence: none: a link across mounts is none
import errno, os

open("own", "w").close()
os.link("own", "other")
try:
    os.link("/etc/passwd", "p")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
