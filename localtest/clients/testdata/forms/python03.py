"""Streams a message with the Python SDK 0.3.x from servers that answer in different forms: python03.py BASE_URL...

It prints a line for each: the lengths of what the events say, or the error.
"""

import asyncio
import sys
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import Message, Part, Role, TextPart


async def stream(http, base_url):
    card = await A2ACardResolver(http, base_url).get_agent_card()
    client = ClientFactory(ClientConfig(httpx_client=http, supported_transports=['JSONRPC'])).create(card)
    parts = [Part(root=TextPart(text='hello'))]
    message = Message(role=Role.user, message_id=uuid4().hex, task_id='unknown', parts=parts)
    lengths = []
    async for task, update in client.send_message(message):
        said = (update or task).status.message
        lengths.append(len(said.parts[0].root.text) if said else 0)
    return ' '.join(['events', *map(str, lengths)])


async def main(*urls):
    async with httpx.AsyncClient(timeout=30) as http:
        for url in urls:
            try:
                print(await stream(http, url))
            except Exception as error:
                print(ascii(f'error {error}'))


asyncio.run(main(*sys.argv[1:]))
