# A function for the functions framework of Google; tests/tests/serverless/cloud.rs. It answers with what it was given and
# with what it knows of its call.
import time

import functions_framework


@functions_framework.http
def answer(request):
    given = request.get_json()
    if "throw" in given:
        raise ValueError(given["throw"])
    time.sleep(given.get("sleep_ms", 0) / 1000)
    return {"said": given.get("say"), "headers": {name.lower(): value for name, value in request.headers.items()}}
