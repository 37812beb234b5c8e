# attack: the same given to the loader: this works, and SECURITY.md says so
# claim: EXE-3
# expect: ok
# control: bare: ok
# evidence: none: to the kernel it is the loader reading a library
# read: /usr/lib/apt
import subprocess

run = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "/usr/lib/apt/methods/copy"], stdin=subprocess.DEVNULL,
                     capture_output=True)
print("ok" if run.returncode in (0, 100) else run.stderr)
