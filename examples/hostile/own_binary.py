"""Brings a program of its own and executes it: a copy of the interpreter, which is as good as any."""
import os
import shutil
import sys

shutil.copyfile(sys.executable, "/job/tool")
os.chmod("/job/tool", 0o755)
print("brought /job/tool,", os.path.getsize("/job/tool"), "bytes", flush=True)
os.execv("/job/tool", ["/job/tool", "-c", "print('my own program runs')"])
