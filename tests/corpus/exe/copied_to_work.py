# attack: a copy of a listed program in `/job`
# claim: EXE-2
# expect: EACCES
# control: without landlock: EACCES
# control: bare: ok
# evidence: mount execute /job/copy
import errno, os, shutil

shutil.copy("/bin/sh", "./copy")
child = os.fork()
if child == 0:
    try:
        os.execv("./copy", ["copy", "-c", ":"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
os.unlink("./copy")
