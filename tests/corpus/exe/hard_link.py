# attack: a listed program by a second name
# claim: EXE-2
# expect: EXDEV | EACCES
# control: none: the case does the same to a file of its own first, which must work
# evidence: none: a link across mounts is none
import errno, os

open("own", "w").close()
os.link("own", "other")
try:
    os.link("/bin/sh", "sh")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
