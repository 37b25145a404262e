"""A settlement service by spyne, SOAP 1.1 at /soap11 and 1.2 at /soap12: service.py RECORDS PORT-FILE

Whoever stands in front of it has signed the caller in, and says who it is in X-Remote-User. With KEEP_ANSWERS in the
environment, the same question gets the answer that spyne gave the first time: to measure callers, and not spyne.
"""

import csv
import decimal
import io
import logging
import os
import sys
from datetime import datetime
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from spyne import Application, Array, Boolean, ComplexModel, DateTime, Decimal, Fault, Integer, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication
from spyne.util.wsgi_wrapper import WsgiMounter

NAMESPACE = "urn:interop:settlement"


class SettlementRecord(ComplexModel):
    __namespace__ = NAMESPACE
    _type_info = [
        ("Id", Integer),
        ("Counterparty", Unicode),
        ("FlowStart", DateTime(timezone=False)),
        ("Amount", Decimal),
        ("Remark", Unicode),
    ]


class SettlementPage(ComplexModel):
    __namespace__ = NAMESPACE
    _type_info = [("Items", Array(SettlementRecord)), ("TotalCount", Integer), ("HasMore", Boolean)]


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


RECORDS = read(sys.argv[1])


def record(row):
    values = {name: text for name, text in row.items() if text != ""}
    return SettlementRecord(
        Id=int(values["Id"]),
        Counterparty=values["Counterparty"],
        FlowStart=datetime.fromisoformat(values["FlowStart"]),
        Amount=decimal.Decimal(values["Amount"]),
        Remark=values.get("Remark"),
    )


class Settlement(ServiceBase):
    @rpc(Unicode, Integer, Integer, _returns=SettlementPage)
    def GetSettlements(ctx, counterparty, page, pageSize):
        rows = [row for row in RECORDS if row["Counterparty"] == counterparty]
        if not rows:
            raise Fault("Client.NoSuchCounterparty", f"Unknown counterparty: {counterparty}")
        start = (page - 1) * pageSize
        items = [record(row) for row in rows[start : start + pageSize]]
        return SettlementPage(Items=items, TotalCount=len(rows), HasMore=start + pageSize < len(rows))

    @rpc(_returns=Unicode)
    def WhoAmI(ctx):
        # WSGI hands headers on as Latin-1, the front wrote UTF-8.
        return ctx.transport.req["HTTP_X_REMOTE_USER"].encode("latin-1").decode("utf-8")


def application(protocol):
    return WsgiApplication(
        Application([Settlement], NAMESPACE, in_protocol=protocol(validator="lxml"), out_protocol=protocol())
    )


def keeping(application):
    answers = {}

    def answer(environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        asked = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_SOAPACTION", "HTTP_X_REMOTE_USER")
        key = (body, *(environ.get(name) for name in asked))
        if key not in answers:
            said = []
            content = b"".join(application(dict(environ, **{"wsgi.input": io.BytesIO(body)}), lambda *head: said.append(head)))
            answers[key] = *said[-1][:2], content
        status, headers, content = answers[key]
        start_response(status, list(headers))
        return [content]

    return answer if os.environ.get("KEEP_ANSWERS") else application


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        """httpd in front keeps the log."""


logging.basicConfig(level=logging.WARNING)
server = make_server(
    "127.0.0.1",
    0,
    keeping(WsgiMounter({"soap11": application(Soap11), "soap12": application(Soap12)})),
    server_class=Server,
    handler_class=Handler,
)
port_file = sys.argv[2]
with open(port_file + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
