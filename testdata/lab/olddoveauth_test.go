package lab

// oldDoveauth stands for the Python relay's doveauth: an account is created by its
// first login, and Dovecot asks by its dict protocol, which ours no longer speaks for
// accounts. It is whole for what the lab does: one look-up a line, no transactions.
const oldDoveauth = `
import json, os, re, socketserver, subprocess, sys

DOMAIN, BOXES, SOCKET = sys.argv[1:]


def unescape(text, mark, letters):
    out, rest = "", iter(text)
    for c in rest:
        if c == mark:
            c = next(rest, "")
            c = letters.get(c, c)
        out += c
    return out


def home(user):
    local, _, domain = user.partition("@")
    ok = domain == DOMAIN and re.fullmatch("[a-z0-9_-]+([.][a-z0-9_-]+)*", local)
    return os.path.join(BOXES, user) if ok else None


def create(box, password):
    made = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, text=True, capture_output=True, check=True)
    os.makedirs(box, 0o700, exist_ok=True)
    open(os.path.join(box, "enforceE2EEincoming"), "w").close()
    hidden = os.path.join(box, "password.tmp%d" % os.getpid())
    with open(hidden, "w") as f:
        f.write("{SHA512-CRYPT}" + made.stdout.strip())
    os.chmod(hidden, 0o600)
    try:
        os.link(hidden, os.path.join(box, "password"))
    except FileExistsError:
        pass
    os.unlink(hidden)


def lookup(key):
    kind, _, rest = key.removeprefix("shared/").partition("/")
    parts = [unescape(p, "\\", {}) for p in re.findall(r'((?:\\.|[^"\\])+)', rest)]
    box = home(parts[-1]) if parts else None
    if box is None:
        return "N"
    known = os.path.exists(os.path.join(box, "password"))
    if kind == "passdb" and not known:
        create(box, parts[0])
    elif not known:
        return "N"
    answer = {"addr": parts[-1], "home": box, "uid": "vmail", "gid": "vmail"}
    if kind == "passdb":
        with open(os.path.join(box, "password")) as f:
            answer["password"] = f.read().strip()
    return "O" + json.dumps(answer)


class Dialogue(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            line = line.decode().rstrip("\n")
            if line.startswith("L"):
                key = line[1:].split("\t")[0]
                key = unescape(key, "\x01", {"0": "\0", "1": "\x01", "t": "\t", "r": "\r", "n": "\n"})
                self.wfile.write((lookup(key) + "\n").encode())
            elif not line.startswith("H"):
                self.wfile.write(b"N\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


if os.path.exists(SOCKET):
    os.unlink(SOCKET)
with Server(SOCKET, Dialogue) as server:
    os.chmod(SOCKET, 0o666)
    server.serve_forever()
`
