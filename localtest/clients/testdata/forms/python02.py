"""Streams a message with the Python SDK 0.2.x from servers that answer in different forms: python02.py BASE_URL...

It prints a line for each: the lengths of what the events say, or the error.
"""

import asyncio
import sys
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, A2AClient
from a2a.types import MessageSendParams, SendStreamingMessageRequest


async def stream(http, base_url):
    client = A2AClient(http, agent_card=await A2ACardResolver(http, base_url).get_agent_card())
    message = {'role': 'user', 'messageId': uuid4().hex, 'taskId': 'unknown', 'parts': [{'kind': 'text', 'text': 'hello'}]}
    request = SendStreamingMessageRequest(id=uuid4().hex, params=MessageSendParams(message=message))
    lengths = []
    async for response in client.send_message_streaming(request):
        response = response.root
        if hasattr(response, 'error'):
            return 'error ' + response.error.message
        said = response.result.status.message
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
