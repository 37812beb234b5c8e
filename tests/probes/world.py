"""The world that a test's supervisor sees: hosts with names, in a network namespace of their own.

Started with a directory for its certificates and its log. Waits for a line on standard input, by when its end of the
link is there. Everything that reaches it is logged, one line each.
"""
import http.server
import os
import socket
import socketserver
import ssl
import subprocess
import sys
import threading

PLACE = sys.argv[1]
ADDRESSES = ['203.0.113.10/24', '203.0.113.11/24', '203.0.113.53/24', '169.254.169.254/32', '10.0.0.5/32']
NAMES = {
    'a.example': ['203.0.113.10'],
    'b.example': ['203.0.113.11'],
    'x.wild.example': ['203.0.113.10'],
    'pypi.org': ['203.0.113.10'],
    'files.pythonhosted.org': ['203.0.113.11'],
    'private.example': ['10.0.0.5'],
    'metadata.example': ['169.254.169.254'],
    'loopback.example': ['127.0.0.1'],
    'own.example': ['203.0.113.1'],
    'mixed.example': ['127.0.0.1', '203.0.113.10'],
    'nobody.example': ['203.0.113.99'],
}
V6 = {'mapped.example': '::ffff:127.0.0.1'}
lock = threading.Lock()
log = open(os.path.join(PLACE, 'log'), 'a', buffering=1)
lookups = {}


def note(*words):
    with lock:
        log.write(' '.join(words) + '\n')


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificates():
    at = lambda name: os.path.join(PLACE, name)
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    run('openssl', 'req', '-x509', *key, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-subj', '/CN=test', '-days', '2')
    run('openssl', 'req', *key, '-keyout', at('key.pem'), '-out', at('request'), '-subj', '/CN=hosts')
    names = ','.join('DNS:' + name for name in [*NAMES, '*.wild.example'])
    with open(at('names'), 'w') as file:
        file.write('subjectAltName=' + names)
    run('openssl', 'x509', '-req', '-in', at('request'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'),
        '-CAcreateserial', '-out', at('chain.pem'), '-days', '2', '-extfile', at('names'))


class Host(http.server.SimpleHTTPRequestHandler):
    """Says who was asked for, at which address; what lies under `files` it serves."""
    protocol_version = 'HTTP/1.1'

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=os.path.join(PLACE, 'files'))

    def log_message(self, *_):
        pass

    def said(self, body):
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        scheme = 'https' if isinstance(self.connection, ssl.SSLSocket) else 'http'
        note(scheme, self.command, self.headers.get('Host', '-'), self.path)
        if self.path.startswith(('/simple/', '/packages/')):
            return super().do_GET()
        if self.path.startswith('/bytes/'):
            return self.said(bytes(int(self.path.split('/')[2])))
        self.said(f'{scheme} {self.headers.get("Host")} at {self.connection.getsockname()[0]}\n'.encode())

    def do_POST(self):
        note('http', self.command, self.headers.get('Host', '-'), self.path)
        if self.headers.get('Transfer-Encoding') == 'chunked':
            size = 0
            while (line := int(self.rfile.readline(), 16)) > 0:
                size += len(self.rfile.read(line))
                self.rfile.readline()
            self.rfile.readline()
        else:
            size = len(self.rfile.read(int(self.headers.get('Content-Length', 0))))
        self.said(f'got {size}\n'.encode())


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_):
        pass


class TlsServer(Server):
    def finish_request(self, request, address):
        tls = self.context.wrap_socket(request, server_side=True)
        try:
            self.RequestHandlerClass(tls, address, self)
        finally:
            tls.close()


class SpeaksFirst(socketserver.BaseRequestHandler):
    """A protocol that is neither TLS nor HTTP: the server greets, then echoes until the other end is gone."""

    def handle(self):
        note('open', str(self.client_address[1]))
        self.request.sendall(b'220 hello\r\n')
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass
        note('closed', str(self.client_address[1]))


class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


def answer(query):
    """One question, RFC 1035; the second time `rebind.example` is asked for it is this host's own loopback."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode('latin-1'))
        at += 1 + query[at]
    name, kind = '.'.join(labels).lower(), query[at + 2]
    note('dns', name)
    question, records = query[12:at + 5], []
    if kind == 1:
        addresses = NAMES.get(name)
        if name == 'rebind.example':
            lookups[name] = lookups.get(name, 0) + 1
            addresses = ['203.0.113.10'] if lookups[name] == 1 else ['127.0.0.1']
        records = [socket.inet_aton(address) for address in addresses or []]
    elif kind == 28 and name in V6:
        records = [socket.inet_pton(socket.AF_INET6, V6[name])]
    known = name in NAMES or name in V6 or name == 'rebind.example'
    flags = b'\x81\x80' if known else b'\x81\x83'
    count = len(records).to_bytes(2, 'big')
    tail = b''.join(b'\xc0\x0c\0' + bytes([kind]) + b'\0\x01\0\0\0\0' + len(record).to_bytes(2, 'big') + record
                    for record in records)
    return query[:2] + flags + b'\0\x01' + count + b'\0\0\0\0' + question + tail


def names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(('203.0.113.53', 53))
    while True:
        query, address = server.recvfrom(512)
        server.sendto(answer(query), address)


def main():
    certificates()
    print('here', flush=True)
    sys.stdin.readline()
    run('ip', 'link', 'set', 'lo', 'up')
    run('ip', 'link', 'set', 'world', 'up')
    for address in ADDRESSES:
        run('ip', 'address', 'add', address, 'dev', 'world')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(PLACE, 'chain.pem'), os.path.join(PLACE, 'key.pem'))
    servers = [Server(('', 80), Host), Server(('', 8080), Host), TlsServer(('', 443), Host), Tcp(('', 2525), SpeaksFirst)]
    servers[2].context = context
    for serve in [names] + [server.serve_forever for server in servers]:
        threading.Thread(target=serve, daemon=True).start()
    print('ready', flush=True)
    sys.stdin.read()


main()
