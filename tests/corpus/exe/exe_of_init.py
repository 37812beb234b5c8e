# attack: the program of init, which is the launcher's
# claim: EXE-1
# expect: ENOENT
# control: root: ok
# evidence: none: hidepid hides init
import errno, os


child = os.fork()
if child == 0:
    try:
        os.execv("/proc/1/exe", ["x", "-c", ":"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
