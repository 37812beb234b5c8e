# attack: the same by its descriptor
# claim: EXE-2
# expect: EACCES
# control: without landlock: ok
# control: bare: ok
# evidence: landlock execute /usr/lib/apt/methods/copy
# read: /usr/lib/apt
import errno, os

child = os.fork()
if child == 0:
    os.dup2(os.open("/dev/null", os.O_RDWR), 1)
    try:
        os.execve(os.open("/usr/lib/apt/methods/copy", os.O_RDONLY), ["copy"], {})
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print("EACCES" if status == errno.EACCES else "ok")
