"""A mail server for the tests: Debian's python3-aiosmtpd on a free port.

It prints "port N", then one JSON line for each mail it took. Addresses that
begin with "refused" are refused; "slow" ones are answered after a minute.
"""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

mode, cert, key, user, password = sys.argv[1:6]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 <" + address + "> unknown here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(a.startswith("slow") for a in envelope.rcpt_tos):
            await asyncio.sleep(60)
        print(json.dumps({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None or mode == "tls",
            "login": session.authenticated, "raw": envelope.content.decode("latin-1"),
        }), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=right, handled=False)


async def main():
    context = None
    if mode != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    auth = bool(user)

    def make():
        return SMTP(Handler(), hostname="localhost", authenticator=authenticate if auth else None, auth_required=auth,
                    auth_require_tls=mode == "starttls", tls_context=context if mode == "starttls" else None,
                    require_starttls=mode == "starttls")

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
