"""The other end of webhooks and of a gateway for short messages, for the tests.

It prints "port N", then one JSON line for each request. It shares no code with the
node: it judges signatures by docs/profiles/public-notice.md alone.

  POST /hook       signed webhook; 401 for a wrong or old signature, 409 for an id seen;
                   ?later=N judges it N seconds later, as one who has seen no id
  POST /sms        gateway with JSON, answers {"messages": [{"id": "m1"}]}
  POST /sms/form   the same with a form, answers plain text
  POST /fail/N     answers the status N
"""
import hashlib
import hmac
import json
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = sys.argv[1].encode()
CLOCK = float(sys.argv[2]) if len(sys.argv) > 2 else None  # a clock that stands still
WINDOW = 300
lock = threading.Lock()
seen = set()
count = 0


def judge(path, headers, body):
    parts = dict(p.split("=", 1) for p in headers.get("Trojmezi-Signature", "").split(",") if "=" in p)
    if set(parts) != {"t", "v1"}:
        return 401, "no signature"
    want = hmac.new(SECRET, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(want, parts["v1"]):
        return 401, "wrong signature"
    later = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("later", ["0"])[0]
    now = (CLOCK if CLOCK is not None else time.time()) + int(later)
    if abs(now - int(parts["t"])) > WINDOW:
        return 401, "too old"
    if headers.get("Trojmezi-Id") != json.loads(body)["id"]:
        return 401, "the id is another"
    if headers.get("Trojmezi-Id") in seen and later == "0":
        return 409, "seen"
    seen.add(headers.get("Trojmezi-Id"))
    return 204, ""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer, status = b"", 200
        why = ""
        if self.path.startswith("/hook"):
            status, why = judge(self.path, self.headers, body)
        elif self.path == "/sms":
            count += 1
            status = 400 if b"+420000" in body else 202
            answer = json.dumps({"messages": [{"id": "m%d" % count}]}).encode()
        elif self.path == "/sms/form":
            urllib.parse.parse_qs(body.decode(), strict_parsing=True)
            answer = b"queued"
        elif self.path.startswith("/fail/"):
            status = int(self.path[6:])
        line = json.dumps({"path": self.path, "status": status, "why": why, "headers": dict(self.headers), "body": body.decode("utf-8")})
        with lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if status != 204:
            self.wfile.write(answer)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
