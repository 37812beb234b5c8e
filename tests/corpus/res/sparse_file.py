# attack: a sparse file of an exbibyte
# seen: piston tests/fallocate.py
# claim: RES-5
# expect: own EFBIG
# control: none: the case does the same to a file of its own first, which must work
# evidence: none: a limit of the process's own
import errno, os, signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    file = os.open("x", os.O_CREAT | os.O_RDWR)
    os.truncate(file, 1 << 20)
    print("own ", end="")
    os.truncate(file, 1 << 60)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
