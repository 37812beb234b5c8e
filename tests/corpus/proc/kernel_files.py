# attack: what the kernel tells in /proc
# claim: PROC-1
# expect: none
# control: bare: found
# evidence: none: subset=pid leaves the files out, there is nothing to refuse
import os

names = "kcore kallsyms slabinfo timer_list keys sched_debug modules iomem sysrq-trigger sys/kernel/core_pattern"
print("found" if any(os.path.lexists(f"/proc/{name}") for name in names.split()) else "none")
