# attack: itself offered to the out-of-memory killer less than others: any number, and the one that spares it
# seen: Nomad #10663
# claim: RES-1
# expect: EACCES EACCES
# control: without landlock: ok EACCES
# evidence: landlock write /proc/PID/oom_score_adj
import errno


def write(number):
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(number)
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


print(write("500"), write("-1000"))
