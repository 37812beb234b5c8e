# attack: the password hashes
# claim: FS-1
# expect: ENOENT | EACCES
# control: bare: EACCES
# control: root: ok
# evidence: landlock read /etc/shadow
import errno, os

try:
    os.open("/etc/shadow", os.O_RDONLY)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
