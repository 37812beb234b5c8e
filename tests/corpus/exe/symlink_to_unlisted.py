# attack: a link to a program that is not listed
# claim: EXE-1
# expect: ENOENT | EACCES
# control: bare: ok
# evidence: view execute /job/./link
import errno, os

os.symlink("/usr/bin/env", "link")
child = os.fork()
if child == 0:
    try:
        os.execv("./link", ["link", "true"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
