# attack: a script of its own, whose interpreter is not listed
# claim: EXE-2
# expect: EACCES
# control: without landlock: EACCES
# control: bare: ok
# evidence: mount execute /job/script
import errno, os

open("script", "w").write("#!/usr/bin/env true\n"); os.chmod("script", 0o755)
child = os.fork()
if child == 0:
    try:
        os.execv("./script", ["script"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
