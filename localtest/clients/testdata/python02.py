"""A client of A2A 0.3 with the Python SDK 0.2.x: python02.py BASE_URL BINDING WEBHOOK_URL TOKEN. It knows JSON-RPC only.

It prints one line for each thing that it sees, without ids and times.
"""

import asyncio
import json
import sys
from base64 import b64decode
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, A2AClient
from a2a.types import (
    CancelTaskRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    MessageSendParams,
    SendMessageRequest,
    SendStreamingMessageRequest,
    SetTaskPushNotificationConfigRequest,
)


def params(*parts, configuration=None, **fields):
    message = {'role': 'user', 'messageId': uuid4().hex, 'parts': parts, **fields}
    return MessageSendParams(message=message, configuration=configuration)


def say(text):
    return {'kind': 'text', 'text': text}


def text(message):
    return ' '.join(part.root.text for part in message.parts)


def describe(what):
    """Returns the state of a task or status update, and what was said or made; or an artifact's text."""
    if what.kind == 'artifact-update':
        return 'artifact, ' + text(what.artifact)
    words = ['task ' + what.status.state.value if what.kind == 'task' else what.status.state.value]
    if what.status.message:
        words.append(text(what.status.message))
    if what.kind == 'task':
        words += [text(artifact) for artifact in what.artifacts or []]
    elif what.final:
        words.append('final')
    return ', '.join(words)


def describe_part(part):
    part = part.root
    if part.kind == 'data':
        return 'data ' + json.dumps(part.data, separators=(',', ':'))
    file = part.file
    words = ('raw', b64decode(file.bytes).hex()) if hasattr(file, 'bytes') else ('url', file.uri)
    return ' '.join(word for word in (*words, file.name, file.mimeType) if word)


def name(error):
    return {-32001: 'TaskNotFoundError', -32002: 'TaskNotCancelableError'}.get(error.code, error)


async def send(client, *parts, **fields):
    response = await client.send_message(SendMessageRequest(id=uuid4().hex, params=params(*parts, **fields)))
    return response.root.result


async def events(client, *parts, **fields):
    request = SendStreamingMessageRequest(id=uuid4().hex, params=params(*parts, **fields))
    async for response in client.send_message_streaming(request):
        yield response.root.result


async def stream(client, webhook):
    """Streams a task that has a webhook, and gives it another one meanwhile."""
    authentication = {'schemes': ['Bearer'], 'credentials': 'letmein'}
    config = {'id': 'webhook', 'url': webhook, 'token': 'secret', 'authentication': authentication}
    configuration = {'acceptedOutputModes': ['text'], 'pushNotificationConfig': config}
    async for event in events(client, say('Stream'), configuration=configuration):
        print('stream:', describe(event))
        if event.kind == 'task':
            task = event.id
            await push(client, task, webhook + '/second')
    return task


async def push(client, task, url):
    config = {'taskId': task, 'pushNotificationConfig': {'id': 'second', 'url': url, 'token': 'another'}}
    response = await client.set_task_callback(SetTaskPushNotificationConfigRequest(id=uuid4().hex, params=config))
    assert response.root.result.model_dump(exclude_none=True) == config, response
    print('push created: second another')
    # This SDK can name the task only: it gets one of its configurations.
    response = await client.get_task_callback(GetTaskPushNotificationConfigRequest(id=uuid4().hex, params={'id': task}))
    assert response.root.result.pushNotificationConfig.id in ('webhook', 'second'), response


async def get(client, task):
    got = (await client.get_task(GetTaskRequest(id=uuid4().hex, params={'id': task}))).root.result
    print('get:', describe(got))
    for said in got.history:
        print('history:', said.role.value + ',', text(said))
    request = GetTaskRequest(id=uuid4().hex, params={'id': task, 'historyLength': 1})
    got = (await client.get_task(request)).root.result
    print('last of the history:', *(text(said) for said in got.history))


async def ask(client):
    """Sends all kinds of parts but text, of which the agent can make nothing, and then the text, without waiting."""
    parts = (
        {'kind': 'file', 'file': {'bytes': 'AP8=', 'name': 'a.txt', 'mimeType': 'text/plain'}},
        {'kind': 'file', 'file': {'uri': 'https://example.com/a.html', 'mimeType': 'text/html'}},
        {'kind': 'data', 'data': {'n': 'one'}},
    )
    task = await send(client, *parts)
    print('ask:', describe(task))
    for part in task.history[0].parts:
        print('part:', describe_part(part))
    configuration = {'acceptedOutputModes': ['text'], 'blocking': False}
    task = await send(client, say('Answer'), taskId=task.id, contextId=task.contextId, configuration=configuration)
    print('answer:', describe(task))
    return task.id


async def cancel_task(client, task):
    response = (await client.cancel_task(CancelTaskRequest(id=uuid4().hex, params={'id': task}))).root
    return describe(response.result) if hasattr(response, 'result') else name(response.error)


async def cancel(client):
    print('cancel:', await cancel_task(client, await ask(client)))
    canceled = events(client, say('Cancel'))
    task = (await anext(canceled)).id
    print('canceled stream:', describe(await anext(canceled)))
    print('cancel:', await cancel_task(client, task))
    *_, last = [event async for event in canceled]
    print('canceled stream:', describe(last))
    print('cancel:', await cancel_task(client, task))


async def unknown(client):
    response = await client.get_task(GetTaskRequest(id=uuid4().hex, params={'id': 'unknown'}))
    print('unknown task:', name(response.root.error))


async def main(base_url, _, webhook, token):
    async with httpx.AsyncClient(timeout=30, headers={'Authorization': f'Bearer {token}'}) as http:
        card = await A2ACardResolver(http, base_url).get_agent_card()
        can = {'streaming': card.capabilities.streaming, 'pushNotifications': card.capabilities.pushNotifications}
        print('card:', ', '.join([card.name, *(name for name in can if can[name])]))
        client = A2AClient(http, agent_card=card)

        print('send:', describe(await send(client, say('Send'))))
        task = await stream(client, webhook)
        await get(client, task)
        await cancel(client)
        await unknown(client)


asyncio.run(main(*sys.argv[1:]))
