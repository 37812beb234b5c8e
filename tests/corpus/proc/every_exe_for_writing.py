# attack: every program that runs opened for writing, the supervisor's too
# seen: CVE-2019-5736; youki 2021
# claim: PROC-3
# expect: none
# control: none: a program that runs is busy everywhere; own_exe_for_writing shows the layer
# evidence: none: its mode refuses it before Landlock is asked
import errno, os

told = set()
for entry in os.listdir("/proc"):
    try:
        os.open(f"/proc/{entry}/exe", os.O_WRONLY)
        told.add("opened")
    except OSError as error:
        told.add(errno.errorcode[error.errno])
print("opened" if "opened" in told else "none")
