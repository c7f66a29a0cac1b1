"""The client of the streaming tutorial, at the agent whose base URL is the argument.

In the SDK that the tutorial was written for, a response wraps its result, and a part its text, in a `root`; what the
tutorial prints is printed here.
"""

import asyncio
import sys
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, A2AClient
from a2a.types import MessageSendParams, SendMessageRequest, SendStreamingMessageRequest


def params(text):
    message = {'role': 'user', 'parts': [{'kind': 'text', 'text': text}], 'messageId': uuid4().hex}
    return MessageSendParams(message=message)


def text(parts):
    return parts[0].root.text


def describe(event):
    if event.kind == 'task':
        return '📦', 'TASK', event.status.state.value
    if event.kind == 'status-update':
        message = event.status.message
        finality = 'FINAL' if event.final else 'INTERIM'
        return '🔄', f'STATUS-{finality}', text(message.parts) if message else event.status.state.value
    if event.kind == 'artifact-update':
        return '🎯', 'ARTIFACT', text(event.artifact.parts)
    return '📡', event.kind.upper(), event.model_dump_json(exclude_none=True)


async def stream(client):
    print('🌊 Starting streaming communication...')
    print('📡 Receiving streaming response chunks:')
    print('-' * 60)
    request = SendStreamingMessageRequest(
        id=str(uuid4()), params=params('Please stream a response with status updates!')
    )
    count = 0
    async for chunk in client.send_message_streaming(request):
        count += 1
        icon, kind, what = describe(chunk.root.result)
        print(f'{icon} Chunk {count} [{kind}]: {what}')
    print('-' * 60)
    print(f'✅ Streaming complete! Received {count} chunks')


async def send(client):
    print('\n🔄 Testing non-streaming for comparison...')
    print('📦 Sending non-streaming message...')
    request = SendMessageRequest(id=str(uuid4()), params=params('Send me a regular response'))
    task = (await client.send_message(request)).root.result
    print('📦 Non-streaming response received:')
    print(f'   Status: {task.status.state.value}')
    print(f'   Content: {text(task.artifacts[0].parts)}')


async def main(base_url):
    async with httpx.AsyncClient() as http:
        card = await A2ACardResolver(http, base_url=base_url).get_agent_card()
        if not card.capabilities.streaming:
            sys.exit('the card says that the agent does not stream')
        client = A2AClient(http, agent_card=card)
        await stream(client)
        await send(client)


asyncio.run(main(sys.argv[1]))
