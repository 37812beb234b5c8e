# attack: the dynamic loader, given a program that is not listed
# claim: EXE-2
# expect: refused
# control: bare: ok
# evidence: landlock fs.read_file
import subprocess

run = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "/usr/bin/env", "true"], capture_output=True)
print("ok" if run.returncode == 0 else "refused")
