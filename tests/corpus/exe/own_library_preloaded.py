# attack: a library of its own put into a listed program by LD_PRELOAD
# claim: EXE-2
# expect: refused
# control: bare: ok
# evidence: none: the mount is noexec, which the loader meets when it maps the file
import os, shutil, subprocess

shutil.copy("/usr/lib/x86_64-linux-gnu/libz.so.1", "./own.so")
run = subprocess.run(["/usr/bin/python3", "-S", "-c", ""], env={"LD_PRELOAD": os.path.abspath("own.so")}, capture_output=True)
print("refused" if b"failed to map" in run.stderr else "ok")
