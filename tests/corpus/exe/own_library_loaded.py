# attack: a library of its own loaded into an interpreter
# claim: EXE-2
# expect: refused
# control: bare: ok
# evidence: none: the mount is noexec, which the loader meets when it maps the file
import ctypes, glob, shutil

shutil.copy(glob.glob("/usr/lib/x86_64-linux-gnu/libz.so.1")[0], "./own.so")
try:
    ctypes.CDLL("./own.so")
    print("ok")
except OSError as error:
    print("refused" if "failed to map" in str(error) else error)
