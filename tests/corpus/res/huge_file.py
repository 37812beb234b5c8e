# attack: a file of a tebibyte, reserved
# claim: RES-5
# expect: EFBIG
# control: none: no host should try
# evidence: none: a limit of the process's own
import errno, os, signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    os.posix_fallocate(os.open("x", os.O_CREAT | os.O_RDWR), 0, 1 << 40)
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
