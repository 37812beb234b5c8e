# attack: a listed program: the twin of all that are refused
# claim: EXE-1
# expect: ok
# control: none: it may
# evidence: none: it may
import errno, os


child = os.fork()
if child == 0:
    try:
        os.execv("/bin/sh", ["sh", "-c", ":"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
