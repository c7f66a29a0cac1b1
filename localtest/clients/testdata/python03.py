"""A client of A2A 0.3 with the Python SDK 0.3.x: python03.py BASE_URL BINDING WEBHOOK_URL TOKEN.

It prints one line for each thing that it sees, without ids and times.
"""

import asyncio
import json
import sys
from base64 import b64decode
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientHTTPError, A2AClientJSONRPCError
from a2a.types import (
    DataPart,
    FilePart,
    FileWithBytes,
    FileWithUri,
    GetTaskPushNotificationConfigParams,
    Message,
    MessageSendConfiguration,
    Part,
    PushNotificationAuthenticationInfo,
    PushNotificationConfig,
    Role,
    TaskIdParams,
    TaskPushNotificationConfig,
    TaskQueryParams,
    TextPart,
)


def message(*parts, task=None, context=None):
    parts = [Part(root=part) for part in parts]
    return Message(role=Role.user, message_id=uuid4().hex, task_id=task, context_id=context, parts=parts)


def text(message):
    return ' '.join(part.root.text for part in message.parts)


def describe(what):
    """Returns the state of a task or status update, and what was said or made; or an artifact's text."""
    if what.kind == 'artifact-update':
        return 'artifact, ' + text(what.artifact)
    words = ['task ' + what.status.state.value if what.kind == 'task' else what.status.state.value]
    if what.status.message and what.status.message.parts:
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
    words = ('raw', b64decode(file.bytes).hex(), file.name) if isinstance(file, FileWithBytes) else ('url', file.uri, file.name)
    return ' '.join(word for word in (*words, file.mime_type) if word)


async def events(stream):
    async for task, update in stream:
        yield update or task


def name(error):
    """Returns what a JSON-RPC code or an HTTP status means here."""
    code = error.error.code if isinstance(error, A2AClientJSONRPCError) else error.status_code
    names = {-32001: 'TaskNotFoundError', -32002: 'TaskNotCancelableError'}
    return {**names, 404: 'TaskNotFoundError', 400: 'TaskNotCancelableError'}.get(code, code)


async def send(blocking_client):
    async for event in events(blocking_client.send_message(message(TextPart(text='Send')))):
        print('send:', describe(event))


async def stream(client, webhook):
    """Streams a task that has a webhook, and gives it another one meanwhile."""
    async for event in events(client.send_message(message(TextPart(text='Stream')))):
        print('stream:', describe(event))
        if event.kind == 'task':
            task = event.id
            await push(client, task, webhook + '/second')
    return task


async def push(client, task, url):
    config = PushNotificationConfig(id='second', url=url, token='another')
    made = await client.set_task_callback(TaskPushNotificationConfig(task_id=task, push_notification_config=config))
    assert made.task_id == task and made.push_notification_config.url == url, made
    print('push created:', made.push_notification_config.id, made.push_notification_config.token)
    params = GetTaskPushNotificationConfigParams(id=task, push_notification_config_id='webhook')
    got = (await client.get_task_callback(params)).push_notification_config
    print('push got:', got.id, got.token, *got.authentication.schemes, got.authentication.credentials or 'hidden')


async def get(client, task):
    got = await client.get_task(TaskQueryParams(id=task))
    print('get:', describe(got))
    for said in got.history:
        print('history:', said.role.value + ',', text(said))
    got = await client.get_task(TaskQueryParams(id=task, history_length=1))
    print('last of the history:', *(text(said) for said in got.history))


async def ask(blocking_client):
    """Sends all kinds of parts but text, of which the agent can make nothing, and then the text, without waiting."""
    parts = (
        FilePart(file=FileWithBytes(bytes='AP8=', name='a.txt', mime_type='text/plain')),
        FilePart(file=FileWithUri(uri='https://example.com/a.html', mime_type='text/html')),
        DataPart(data={'n': 'one'}),
    )
    async for task in events(blocking_client.send_message(message(*parts))):
        print('ask:', describe(task))
    for part in task.history[0].parts:
        print('part:', describe_part(part))
    answer = message(TextPart(text='Answer'), task=task.id, context=task.context_id)
    async for task in events(blocking_client.send_message(answer, configuration=MessageSendConfiguration(blocking=False))):
        print('answer:', describe(task))
    return task.id


async def cancel(client, blocking_client):
    print('cancel:', describe(await client.cancel_task(TaskIdParams(id=await ask(blocking_client)))))
    canceled = events(client.send_message(message(TextPart(text='Cancel'))))
    task = (await anext(canceled)).id
    print('canceled stream:', describe(await anext(canceled)))
    print('cancel:', describe(await client.cancel_task(TaskIdParams(id=task))))
    *_, last = [event async for event in canceled]
    print('canceled stream:', describe(last))
    try:
        await client.cancel_task(TaskIdParams(id=task))
    except (A2AClientHTTPError, A2AClientJSONRPCError) as error:
        print('cancel:', name(error))


async def resubscribe(client):
    dropped = events(client.send_message(message(TextPart(text='Drop'))))
    task = (await anext(dropped)).id
    print('dropped stream:', describe(await anext(dropped)))
    await dropped.aclose()
    async for event in events(client.resubscribe(TaskIdParams(id=task))):
        if not describe(event).startswith('working'):  # how many of these are left is a matter of time
            print('resubscribed:', describe(event).partition(', Star')[0])


async def unknown(client):
    try:
        await client.get_task(TaskQueryParams(id='unknown'))
    except (A2AClientHTTPError, A2AClientJSONRPCError) as error:
        print('unknown task:', name(error))


async def main(base_url, binding, webhook, token):
    async with httpx.AsyncClient(timeout=30, headers={'Authorization': f'Bearer {token}'}) as http:
        card = await A2ACardResolver(http, base_url).get_agent_card()
        can = {'streaming': card.capabilities.streaming, 'pushNotifications': card.capabilities.push_notifications}
        print('card:', ', '.join([card.name, *(name for name in can if can[name])]))
        authentication = PushNotificationAuthenticationInfo(schemes=['Bearer'], credentials='letmein')
        config = PushNotificationConfig(id='webhook', url=webhook, token='secret', authentication=authentication)

        def connect(**how):
            return ClientFactory(ClientConfig(httpx_client=http, supported_transports=[binding], **how)).create(card)

        client, blocking_client = connect(), connect(streaming=False)
        print('extended card:', *(skill.id for skill in (await client.get_card()).skills))
        await send(blocking_client)
        task = await stream(connect(push_notification_configs=[config]), webhook)
        await get(client, task)
        await cancel(client, blocking_client)
        await resubscribe(client)
        await unknown(client)


asyncio.run(main(*sys.argv[1:]))
