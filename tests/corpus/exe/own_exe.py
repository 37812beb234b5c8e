# attack: its own program once more through /proc/self/exe: it is on the list
# claim: EXE-1
# expect: ok
# control: none: it may
# evidence: none: it may
import errno, os


child = os.fork()
if child == 0:
    try:
        os.execv("/proc/self/exe", ["python3", "-S", "-c", ""])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
