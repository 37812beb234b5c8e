# attack: a program for another machine, for which the host may have a handler
# claim: EXE-2
# expect: EACCES
# control: without landlock: EACCES
# control: bare: ENOEXEC | ok
# evidence: mount execute /job/arm
import errno, os

open("arm", "wb").write(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\xb7\0" + bytes(44)); os.chmod("arm", 0o755)
child = os.fork()
if child == 0:
    try:
        os.execv("./arm", ["arm"])
    except OSError as error:
        os._exit(error.errno)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(errno.errorcode.get(status, "ok") if status else "ok")
