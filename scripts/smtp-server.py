"""A mail server that prints what it takes; see scripts/smtp-server."""

import asyncio
import base64
import json
import sys

from aiosmtpd.smtp import SMTP


class Inbox:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "options": envelope.mail_options,
            "to": envelope.rcpt_tos,
            "text": base64.b64encode(envelope.original_content).decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


async def serve(smtputf8):
    loop = asyncio.get_running_loop()

    def protocol():
        return SMTP(Inbox(), hostname="relay.example", enable_SMTPUTF8=smtputf8, loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(serve({"smtputf8": True, "ascii": False}[sys.argv[1]]))
