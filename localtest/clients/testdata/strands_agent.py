"""The A2A agent of Strands, which begins a task and a context with each message: strands_agent.py URL TOKEN"""

import asyncio
import logging
import sys

import httpx

logging.disable(logging.CRITICAL)

from a2a.client import ClientConfig
from strands.agent.a2a_agent import A2AAgent


def agent(url, token):
    headers = {'Authorization': f'Bearer {token}'} if token else {}
    return A2AAgent(url, client_config=ClientConfig(httpx_client=httpx.AsyncClient(timeout=60, headers=headers)))


def shown(result):
    return [block.get('text') for block in result.message['content']], result.stop_reason


async def main(url, token):
    known = agent(url, token)
    print('send:', *shown(await known.invoke_async('Hello')))
    async for event in known.stream_async('Stream'):
        if 'result' in event:
            print('stream:', *shown(event['result']))
        else:
            task, update = event['event']
            print('stream:', task.status.state.value, update.kind if update else None)
    asked = await known.invoke_async(' ')
    print('question:', *shown(asked))
    print('follow-up:', *shown(await known.invoke_async('This')))
    # It leaves out the image, and sends a message without parts.
    image = [{'image': {'format': 'png', 'source': {'bytes': b'hi'}}}]
    for what, client, content in (
        ('refused stream', known, image),
        ('without token', agent(url, None), 'Hello'),
    ):
        try:
            print(what + ':', *shown(await client.invoke_async(content)))
        except Exception as e:
            print(f'{what}: {type(e).__name__}: {e}')


asyncio.run(main(*sys.argv[1:]))
