#!/usr/bin/python3
"""Makes the messages beside this file, each signed by one of three programs that are not
ours, and writes down how that program's own verifier judges it.

Debian 12: apt-get install opendkim python3-dkim python3-nacl rspamd
As root:   ./make.py

What is new each time is keys, signatures and their times; all else is in the tables.
  zone.tsv      name, text: the TXT records
  corpus.tsv    file, signer, its verdict (pass or fail), what else the signer was told
The first line of corpus.tsv has the time at which the verdicts were given.

OpenDKIM is spoken to as Postfix does, by the milter protocol; it gets its records from a
file. rspamd is asked over HTTP and asks a DNS server that is in this script. dkimpy is a
library, and takes the first of several records, as it does in the DNS.
"""

import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request

import dkim
import nacl.signing

HERE = os.path.dirname(os.path.abspath(__file__))
AUTHOR, LIST = "alice.test", "lists.test"
TMP = tempfile.mkdtemp()
os.chmod(TMP, 0o755)

HEADER = (b"From: Alice <a@alice.test>\r\nTo: Bob <b@bob.test>\r\nSubject: [...]\r\n"
          b"Date: Sat, 28 Nov 2026 12:00:00 +0000\r\nMessage-ID: <%d@alice.test>\r\n")

# The shapes of messages: header fields beside those, and a body.
SHAPES = {
    "plain": (b"", b"Hello, Bob.\r\n"),
    "empty": (b"", b""),
    "blank": (b"", b"\r\n\r\n\r\n"),
    "ends": (b"", b"Hello, Bob.\r\n\r\n\r\n"),
    "spaces": (b"", b"Hello,  Bob. \r\n\tHow\t are you?\t\r\n \r\n"),
    "folded": (b"Chat-Version:\t1.0\r\nContent-Type: multipart/encrypted;\r\n\tprotocol=\"application/pgp-encrypted\";\r\n"
               b"  boundary=\"b\"\r\n", b"--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b--\r\n"),
    "dots": (b"", b".\r\n..\r\n.x\r\n"),
    "8bit": (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", "Grüße, Bob.\r\n".encode()),
    "long": (b"", b"x" * 900 + b"\r\n" + b"y z " * 200 + b"\r\n"),
}


def message(shape, number):
    fields, body = SHAPES[shape]
    return HEADER % number + fields + b"\r\n" + body


# What happens to a message after it was signed.
def edit(old, new):
    def change(m):
        assert old in m, (old, m)
        return m.replace(old, new, 1)
    return change


def refold(m):
    return edit(b"\r\nTo: Bob <b@bob.test>", b"\r\nTo: Bob\r\n <b@bob.test>")(m)


CHANGES = {
    "": lambda m: m,
    "received": lambda m: b"Received: from x by y; Sat, 28 Nov 2026 12:00:01 +0000\r\n" + m,
    "footer": lambda m: m + b"-- \r\nto leave the list\r\n",
    "lines": lambda m: m + b"\r\n\r\n",
    "subject": edit(b"Subject: [...]", b"Subject: [list] [...]"),
    "refold": refold,
    "from": edit(b"Alice <a@", b"Eve <a@"),
    "twice": edit(b"\r\nTo: ", b"\r\nFrom: Eve <e@eve.test>\r\nTo: "),
    "list": lambda m: by_dkimpy(m, "rsa", domain=LIST, selector="list") + m,
    "listed": lambda m: by_dkimpy(CHANGES["footer"](m), "rsa", domain=LIST, selector="list") + CHANGES["footer"](m),
    "double": lambda m: by_dkimpy(m, "ed") + m,
    "broken": lambda m: re.sub(rb"(?s)(DKIM-Signature:.*?\r\n)(?=\S)", lambda s: re.sub(rb"\bbh=", b"bh=AAAA", s[1]) + s[1], m, count=1),
}

# The corpus: key's selector, shape, change, and what else the signer is told.
COMMON = [
    ("rsa", "plain", "", {}), ("rsa", "empty", "", {}), ("rsa", "blank", "", {}), ("rsa", "ends", "", {}),
    ("rsa", "spaces", "", {}), ("rsa", "folded", "", {}), ("rsa", "dots", "", {}), ("rsa", "8bit", "", {}),
    ("rsa", "long", "", {}), ("big", "folded", "", {}), ("ed", "folded", "", {}),
    ("rsa", "plain", "received", {}), ("rsa", "plain", "footer", {}), ("rsa", "plain", "lines", {}),
    ("rsa", "plain", "subject", {}), ("rsa", "plain", "refold", {}), ("rsa", "plain", "from", {}),
    ("rsa", "plain", "twice", {}), ("rsa", "plain", "list", {}), ("rsa", "plain", "listed", {}),
    ("rsa", "folded", "double", {}), ("rsa", "plain", "broken", {}),
    ("quoted", "plain", "", {}), ("bare", "plain", "", {}), ("second", "plain", "", {}),
    ("revoked", "plain", "", {}), ("absent", "plain", "", {}), ("sha1", "plain", "", {}),
]
MORE = {
    "dkimpy": [("rsa", "spaces", change, {"c": c}) for c in ("simple/simple", "simple/relaxed", "relaxed/simple")
               for change in ("", "refold", "lines")] +
              [("rsa", "plain", "", {"identity": "a@x.alice.test"}), ("exact", "plain", "", {"identity": "a@x.alice.test"}),
               ("exact", "plain", "", {}), ("rsa", "plain", "footer", {"length": True}), ("rsa", "plain", "", {"domain": "test"})],
    "opendkim": [("rsa", "spaces", change, {"c": c}) for c in ("simple/simple", "relaxed/simple") for change in ("", "refold", "lines")],
    "rspamd": [],
}


def keys():
    """Writes the private keys, and returns the records."""
    records = {}

    def rsa(name, bits):
        path = f"{TMP}/{name}.pem"
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", path, str(bits)], check=True, capture_output=True)
        der = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        os.chmod(path, 0o644)
        return base64.b64encode(der).decode()

    p = rsa("rsa", 2048)
    zone = {
        "rsa": ["v=DKIM1; k=rsa; p=" + p],
        "quoted": [f'v=DKIM1; k=rsa; p={p[:180]}" "{p[180:]}'],
        "bare": ["p=" + p],
        "revoked": ["v=DKIM1; k=rsa; p="],
        "sha1": ["v=DKIM1; h=sha1; p=" + p],
        "exact": ["v=DKIM1; t=s; p=" + p],
        "second": ["v=DKIM1; p=" + rsa("other", 2048), "v=DKIM1; p=" + p],
        "big": ["v=DKIM1; p=" + rsa("big", 4096)],
    }
    seed = nacl.signing.SigningKey.generate()
    zone["ed"] = ["v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(seed.verify_key)).decode()]
    with open(f"{TMP}/ed.key", "w") as f:
        f.write(base64.b64encode(bytes(seed)).decode())
    # OpenDKIM wants PKCS #8 (RFC 8410).
    der = bytes.fromhex("302e020100300506032b657004220420") + bytes(seed)
    with open(f"{TMP}/ed.pem", "w") as f:
        f.write("-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der).decode() + "\n-----END PRIVATE KEY-----\n")
    os.chmod(f"{TMP}/ed.pem", 0o644)
    for selector, texts in zone.items():
        records[f"{selector}._domainkey.{AUTHOR}"] = texts
    records[f"list._domainkey.{LIST}"] = zone["rsa"]
    records["rsa._domainkey.test"] = zone["rsa"]
    return records


def key_of(selector):
    return {"ed": "ed", "big": "big"}.get(selector, "rsa")


# --- dkimpy

def by_dkimpy(m, key, domain=AUTHOR, selector=None, c="relaxed/relaxed", identity=None, length=False):
    ed = key_of(key) == "ed"
    path = f"{TMP}/ed.key" if ed else f"{TMP}/{key_of(key)}.pem"
    with open(path, "rb") as f:
        private = f.read()
    return dkim.sign(m, (selector or key).encode(), domain.encode(), private,
                     identity=identity.encode() if identity else None, canonicalize=tuple(x.encode() for x in c.split("/")),
                     signature_algorithm=b"ed25519-sha256" if ed else b"rsa-sha256", length=length,
                     include_headers=[b"from", b"to", b"subject", b"date", b"message-id"])


def judge_dkimpy(m):
    def first(name, timeout=5):
        texts = ZONE.get(name.decode().rstrip("."), [])
        return texts[0].encode() if texts else None
    for i in range(m.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")):
        d = dkim.DKIM(m)
        try:
            if d.verify(idx=i, dnsfunc=first) and d.domain == AUTHOR.encode():
                return True
        except dkim.DKIMException:
            pass
    return False


# --- OpenDKIM

class Milter:
    """The side of the milter protocol that Postfix has."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        deadline = time.time() + 10
        while True:
            try:
                self.s.connect(path)
                break
            except OSError:
                if time.time() > deadline:
                    raise
                time.sleep(0.05)
        self.send(b"O", struct.pack(">III", 6, 0x1ff, 0x100000))
        _, data = self.read()
        self.leading = struct.unpack(">III", data)[2] & 0x100000

    def send(self, command, data=b""):
        self.s.sendall(struct.pack(">I", 1 + len(data)) + command + data)

    def read(self):
        size = struct.unpack(">I", self.exactly(4))[0]
        data = self.exactly(size)
        return data[:1], data[1:]

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.s.recv(n - len(data))
            if not piece:
                raise EOFError("the milter hung up")
            data += piece
        return data

    def ask(self, command, data=b""):
        self.send(command, data)
        reply, _ = self.read()
        return reply

    def fields(self, client, m):
        """Returns the fields that the milter adds to a message."""
        header, body = m.split(b"\r\n\r\n", 1)
        self.ask(b"C", b"x.test\0004" + struct.pack(">H", 25) + client + b"\0")
        self.ask(b"H", b"x.test\0")
        self.ask(b"M", b"<a@alice.test>\0")
        self.ask(b"R", b"<b@bob.test>\0")
        for field in re.split(rb"\r\n(?=\S)", header):
            name, value = field.split(b":", 1)
            if not self.leading:
                value = value[1:] if value.startswith(b" ") else value
            self.ask(b"L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")
        self.ask(b"N")
        if body:
            self.ask(b"B", body)
        self.send(b"E")
        added = []
        while True:
            reply, data = self.read()
            if reply in b"hi":
                data = data[4:] if reply == b"i" else data
                name, value, _ = data.split(b"\0", 2)
                value = value if self.leading else b" " + value
                added.append(name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n")
            elif reply in b"acrtd":
                return added


def opendkim(settings, client, m):
    """Has an OpenDKIM with these settings see a message, and returns what it adds."""
    work = tempfile.mkdtemp(dir=TMP)
    path = f"{work}/socket"
    with open(f"{work}/conf", "w") as f:
        f.write(f"Socket local:{path}\nPidFile {work}/pid\nUserID root\nSyslog no\nRequireSafeKeys no\nUMask 000\n" + settings)
    daemon = subprocess.Popen(["opendkim", "-f", "-x", f"{work}/conf"])
    try:
        return Milter(path).fields(client, m)
    finally:
        daemon.terminate()
        daemon.wait()


def by_opendkim(m, key, c="relaxed/relaxed"):
    kind = "SignatureAlgorithm ed25519-sha256\n" if key_of(key) == "ed" else ""
    added = opendkim(f"Mode s\nDomain {AUTHOR}\nSelector {key}\nKeyFile {TMP}/{key_of(key)}.pem\n"
                     f"Canonicalization {c}\nOversignHeaders From\n{kind}", b"127.0.0.1", m)
    return b"".join(f for f in added if f.startswith(b"DKIM-Signature:"))


def judge_opendkim(m):
    with open(f"{TMP}/opendkim.zone", "w") as f:
        for name, texts in ZONE.items():
            f.write(f"{name} {texts[0]}\n")
    added = opendkim(f"Mode v\nTestDNSData file:{TMP}/opendkim.zone\nAlwaysAddARHeader yes\nAuthservID x.test\n"
                     "On-KeyNotFound accept\nOn-BadSignature accept\nOn-Default accept\n", b"192.0.2.1", m)
    results = b"".join(f for f in added if f.startswith(b"Authentication-Results:"))
    return any(b"dkim=pass" in r and b"header.d=alice.test" in r for r in results.split(b";"))


# --- rspamd

def serve_dns():
    """Answers for TXT records on a port, which it returns."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))

    def run():
        while True:
            query, peer = s.recvfrom(4096)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            kind = struct.unpack(">H", query[at + 1:at + 3])[0]
            texts = ZONE.get(".".join(labels).lower(), [])
            answers = b""
            for text in texts if kind == 16 else []:
                parts = [text[i:i + 255].encode() for i in range(0, len(text), 255)]
                data = b"".join(bytes([len(p)]) + p for p in parts)
                answers += b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(data)) + data
            count = len(texts) if kind == 16 else 0
            flags = 0x8580 | (0 if texts else 3)
            s.sendto(query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + query[12:at + 5] + answers, peer)

    threading.Thread(target=run, daemon=True).start()
    return s.getsockname()[1]


class Rspamd:
    """rspamd as Debian sets it up, with what is different in local.d."""

    def __init__(self, dns):
        self.port = free_port()
        os.makedirs(f"{TMP}/rspamd/local.d")
        with open(f"{TMP}/rspamd/tld", "w") as f:
            f.write("test\n")
        self.set("options.inc", f'url_tld = "{TMP}/rspamd/tld"; dns {{ nameserver = ["127.0.0.1:{dns}"]; }} filters = "dkim";')
        self.set("worker-normal.inc", f'bind_socket = "127.0.0.1:{self.port}"; count = 1;')
        for worker in "controller", "proxy", "fuzzy":
            self.set(f"worker-{worker}.inc", "enabled = false;")
        self.set("dkim.conf", "trusted_only = false; skip_multi = false; max_sigs = 10;")
        self.daemon = None

    def set(self, name, text):
        with open(f"{TMP}/rspamd/local.d/{name}", "w") as f:
            f.write(text + "\n")

    def start(self, key="rsa", selector="rsa"):
        if self.daemon and self.selector == selector:
            return
        self.selector = selector
        self.stop()
        self.set("dkim_signing.conf", f"""sign_local = true; allow_username_mismatch = true; allow_hdrfrom_mismatch = true;
            use_esld = false; use_domain = "header"; check_pubkey = false; try_fallback = false;
            domain {{ {AUTHOR} {{ path = "{TMP}/{'ed.key' if key == 'ed' else key + '.pem'}"; selector = "{selector}"; }} }}""")
        dirs = [f"--var={name}={TMP}/rspamd" for name in ("LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")]
        self.daemon = subprocess.Popen(["rspamd", "-f", "--insecure", "-u", "root", "-g", "root", *dirs],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 90
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5)
                return
            except OSError:
                if time.time() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()
            self.daemon = None

    def ask(self, m, client):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/checkv2", data=m, headers={"IP": client, "From": "a@alice.test", "Rcpt": "b@bob.test"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)


def by_rspamd(m, key):
    RSPAMD.start(key_of(key), key)
    value = RSPAMD.ask(m, "127.0.0.1")["dkim-signature"]
    return b"DKIM-Signature: " + re.sub(rb"\r?\n", b"\r\n", value.encode()) + b"\r\n"


def judge_rspamd(m):
    if not RSPAMD.daemon:
        RSPAMD.start()
    symbols = RSPAMD.ask(m, "192.0.2.1")["symbols"]
    return any(o.startswith(AUTHOR) for o in symbols.get("R_DKIM_ALLOW", {}).get("options", []))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


SIGNERS = {
    "dkimpy": (by_dkimpy, judge_dkimpy),
    "opendkim": (by_opendkim, judge_opendkim),
    "rspamd": (by_rspamd, judge_rspamd),
}


def main():
    global ZONE, RSPAMD
    for old in os.listdir(HERE):
        if old.endswith(".eml"):
            os.remove(f"{HERE}/{old}")
    ZONE = keys()
    RSPAMD = Rspamd(serve_dns())
    rows, number = [], 0
    try:
        for signer, (sign, judge) in SIGNERS.items():
            for selector, shape, change, options in COMMON + MORE[signer]:
                number += 1
                m = message(shape, number)
                m = CHANGES[change](sign(m, selector, **options) + m)
                name = f"{number:03}-{signer}-{selector}-{shape}" + (f"-{change}" if change else "")
                with open(f"{HERE}/{name}.eml", "wb") as f:
                    f.write(m)
                said = " ".join(f"{k}={v}" for k, v in options.items())
                rows.append((name + ".eml", signer, "pass" if judge(m) else "fail", said))
                print(*rows[-1])
    finally:
        RSPAMD.stop()
        shutil.rmtree(TMP)
    with open(f"{HERE}/zone.tsv", "w") as f:
        for name, texts in ZONE.items():
            for text in texts:
                f.write(f"{name}\t{text}\n")
    with open(f"{HERE}/corpus.tsv", "w") as f:
        f.write(f"{int(time.time())}\n")
        for row in rows:
            f.write("\t".join(row) + "\n")


main()
