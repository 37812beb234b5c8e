# attack: an account added
# claim: FS-2
# expect: EACCES
# control: none: the case does the same to a file of its own first, which must work
# evidence: none: its mode refuses it before Landlock is asked
import errno, os

open("own", "w").close()
os.open("own", os.O_WRONLY | os.O_APPEND)
try:
    os.open("/etc/passwd", os.O_WRONLY | os.O_APPEND)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
