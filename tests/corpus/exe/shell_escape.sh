# attack: a shell asked for a program that is not listed
# claim: EXE-1
# expect: refused
# control: bare: ok
# evidence: view execute /usr/bin/env
/usr/bin/env true 2>/dev/null && echo ok || echo refused
