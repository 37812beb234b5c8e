# attack: the password hashes through a link of its own
# claim: FS-1
# expect: ENOENT | EACCES
# control: bare: EACCES
# control: root: ok
# evidence: landlock read /etc/shadow
import errno, os

os.symlink("/etc/shadow", "link")
try:
    os.open("link", os.O_RDONLY)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
