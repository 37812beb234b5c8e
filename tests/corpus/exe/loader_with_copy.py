# attack: the dynamic loader, given a copy of a program
# claim: EXE-2
# expect: refused
# control: bare: ok
# evidence: none: the mount is noexec, which the loader meets when it maps the file
import shutil, subprocess

shutil.copy("/bin/sh", "copy")
run = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "./copy", "-c", ":"], capture_output=True)
print("refused" if b"failed to map" in run.stderr else "ok" if run.returncode == 0 else run.stderr)
