# attack: kernel memory by the hundred thousand pipes
# claim: RES-5
# expect: few
# control: bare: many
# evidence: none: a limit of the process's own
import os

made = 0
try:
    while made < 100000:
        os.pipe()
        made += 1
except OSError:
    pass
print("few" if made < 48 else "many")
