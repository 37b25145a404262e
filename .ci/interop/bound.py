"""A front over TLS that demands Extended Protection, by pyspnego: bound.py SERVICE-PORT PORT-FILE CERTIFICATE KEY

NTLM and Negotiate; a sign-in that is not bound to the certificate is refused. httpd's module
checks no channel bindings, so this stands for the servers that do. NTLM_USER_FILE names who may sign in.
"""

import base64
import hashlib
import http.client
import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import spnego
from cryptography import x509
from spnego.channel_bindings import GssChannelBindings

SERVICE_PORT, PORT_FILE, CERTIFICATE, KEY = sys.argv[1:]


def end_point():
    """tls-server-end-point (RFC 5929): the certificate's hash, by the hash of its signature."""
    with open(CERTIFICATE, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    der = ssl.PEM_cert_to_DER_cert(open(CERTIFICATE, encoding="ascii").read())
    return b"tls-server-end-point:" + hashlib.new(certificate.signature_hash_algorithm.name, der).digest()


BINDINGS = GssChannelBindings(application_data=end_point())


# The options keep pyspnego to its own code, away from the system's GSSAPI, which checks no bindings.
PROTOCOLS = {
    "NTLM": {"protocol": "ntlm", "options": spnego.NegotiateOptions.use_ntlm},
    "Negotiate": {"protocol": "negotiate", "options": spnego.NegotiateOptions.use_negotiate},
}


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    user = None
    context = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        last = None
        if token:
            if self.context is None or self.context.complete:
                self.context = spnego.server(channel_bindings=BINDINGS, **PROTOCOLS[scheme])
            try:
                last = self.context.step(base64.b64decode(token))
            except spnego.exceptions.SpnegoError as error:
                print(type(error).__name__, error, file=sys.stderr, flush=True)
                self.context = self.user = None
                return self.refuse(["Negotiate", "NTLM"])
            if not self.context.complete:
                return self.refuse([f"{scheme} {base64.b64encode(last).decode()}"])
            self.user = self.context.client_principal
        if self.user is None:
            return self.refuse(["Negotiate", "NTLM"])
        service = http.client.HTTPConnection("127.0.0.1", int(SERVICE_PORT))
        headers = {name: self.headers[name] for name in ("Content-Type", "SOAPAction") if name in self.headers}
        headers["X-Remote-User"] = self.user.encode()
        service.request("POST", self.path.removeprefix("/bound"), body, headers)
        answer = service.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        if last:
            self.send_header("WWW-Authenticate", f"{scheme} {base64.b64encode(last).decode()}")
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, offers):
        self.send_response(401)
        for offer in offers:
            self.send_header("WWW-Authenticate", offer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """What counts is on stderr already."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        # In the connection's own thread, so that a slow handshake holds up nobody else.
        super().finish_request(TLS.wrap_socket(request, server_side=True), client_address)


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
TLS.load_cert_chain(CERTIFICATE, KEY)
server = Server(("127.0.0.1", 0), Connection)
with open(PORT_FILE + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
