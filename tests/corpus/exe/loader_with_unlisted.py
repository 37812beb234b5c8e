# attack: the dynamic loader, given a program that is not listed
# claim: EXE-2
# expect: refused
# control: bare: ok
# evidence: none: what the loader opens is a file, and Landlock's refusals of files are not told
import subprocess

run = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "/usr/bin/env", "true"], capture_output=True)
print("ok" if run.returncode == 0 else "refused")
