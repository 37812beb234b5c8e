# attack: a program that is not listed, under the name of one that is
# claim: EXE-1
# expect: ENOENT | EACCES
# control: bare: ok
# evidence: view execute /usr/bin/env
import errno, os


child = os.fork()
if child == 0:
    try:
        os.execv("/usr/bin/env", ["/bin/sh", "true"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
