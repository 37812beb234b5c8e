# attack: a shell asked for a program that is not listed
# claim: EXE-1
# expect: refused
# control: bare: ok
# evidence: landlock fs.execute
/usr/bin/env true 2>/dev/null && echo ok || echo refused
