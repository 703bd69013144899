"""A mail server for the tests: Debian's python3-aiosmtpd on a free port.

It prints "port N", then one JSON line for each mail it took. A mailbox that begins with
"closing" takes one mail and is gone after it: the next is refused with 550 5.1.1.
"""
import asyncio
import json

from aiosmtpd.smtp import SMTP

gone = set()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in gone:
            return "550 5.1.1 <" + address + "> unknown here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        gone.update(a for a in envelope.rcpt_tos if a.startswith("closing"))
        print(json.dumps({"to": envelope.rcpt_tos, "raw": envelope.content.decode("latin-1")}), flush=True)
        return "250 OK"


async def main():
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler(), hostname="localhost"), "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
