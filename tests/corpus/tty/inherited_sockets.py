# attack: a socket among what it was given, to pass a descriptor out by
# seen: CVE-2024-21626
# claim: FD-1
# expect: none
# control: none: it is about what is there
# evidence: none: nothing is refused
import os, stat

open_now = [int(name) for name in os.listdir("/proc/self/fd")]
kinds = {}
for number in open_now:
    try:
        kinds[number] = stat.S_IFMT(os.fstat(number).st_mode)
    except OSError:
        pass
print("found" if stat.S_IFSOCK in kinds.values() or max(kinds) > 2 else "none")
