# attack: a script of its own, given to a listed interpreter: it may, the list is about programs
# claim: EXE-1
# expect: ok
# control: none: it may
# evidence: none: it may
import errno, os

open("script", "w").write("exit 0\n")
child = os.fork()
if child == 0:
    try:
        os.execv("/bin/sh", ["sh", "script"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
