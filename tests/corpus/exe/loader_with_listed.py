# attack: the dynamic loader, given a listed program: it may
# claim: EXE-1
# expect: ok
# control: none: it may
# evidence: none: it may
import subprocess

run = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "/bin/sh", "-c", ":"], capture_output=True)
print("ok" if run.returncode == 0 else run.stderr)
