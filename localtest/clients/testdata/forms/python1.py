"""Streams a message with the Python SDK 1.x from servers that answer in different forms: python1.py BASE_URL...

It prints a line for each: the lengths of what the events say, or the error.
"""

import asyncio
import sys
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import Message, Part, Role, SendMessageRequest


async def stream(http, base_url):
    card = await A2ACardResolver(http, base_url).get_agent_card()
    client = ClientFactory(ClientConfig(httpx_client=http, supported_protocol_bindings=['JSONRPC'])).create(card)
    message = Message(role=Role.ROLE_USER, message_id=uuid4().hex, task_id='unknown', parts=[Part(text='hello')])
    lengths = []
    async for response in client.send_message(SendMessageRequest(message=message)):
        event = getattr(response, response.WhichOneof('payload'))
        lengths.append(sum(len(part.text) for part in event.status.message.parts))
    return ' '.join(['events', *map(str, lengths)])


async def main(*urls):
    async with httpx.AsyncClient(timeout=30) as http:
        for url in urls:
            try:
                print(await stream(http, url))
            except Exception as error:
                print(ascii(f'error {error}'))


asyncio.run(main(*sys.argv[1:]))
