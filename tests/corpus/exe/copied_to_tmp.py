# attack: a copy of a listed program in `/tmp`
# claim: EXE-2
# expect: EACCES
# control: without landlock: EACCES
# control: bare: ok
# evidence: mount execute /tmp/copy
import errno, os, shutil

shutil.copy("/bin/sh", "/tmp/copy")
child = os.fork()
if child == 0:
    try:
        os.execv("/tmp/copy", ["copy", "-c", ":"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
os.unlink("/tmp/copy")
