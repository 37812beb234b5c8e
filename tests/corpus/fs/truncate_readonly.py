# attack: a file that may be read cut to nothing
# seen: Landlock before ABI 3
# claim: FS-2
# expect: EROFS | EACCES
# control: none: the case does the same to a file of its own first, which must work
# evidence: none: mode and mount say no before Landlock is asked
import errno, os

open("own", "w").close()
os.truncate("own", 0)
try:
    os.truncate("/etc/passwd", 0)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
