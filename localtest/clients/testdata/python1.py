"""A client of A2A 1.0 with the Python SDK 1.x: python1.py BASE_URL BINDING WEBHOOK_URL TOKEN.

It prints one line for each thing that it sees, without ids and times.
"""

import asyncio
import json
import sys
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import (
    AuthenticationInfo,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import A2AError
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

CONTEXT = uuid4().hex


def request(*parts, task='', context='', **configuration):
    message = Message(role=Role.ROLE_USER, message_id=uuid4().hex, task_id=task, context_id=context, parts=parts)
    return SendMessageRequest(message=message, configuration=SendMessageConfiguration(**configuration))


def describe(what):
    """Returns the state of a task or status update, and what was said or made; or an artifact's text."""
    if what.DESCRIPTOR.name == 'TaskArtifactUpdateEvent':
        return 'artifact, ' + what.artifact.parts[0].text
    words = [TaskState.Name(what.status.state).removeprefix('TASK_STATE_').lower().replace('_', '-')]
    words += [part.text for part in what.status.message.parts]
    if what.DESCRIPTOR.name == 'Task':
        words[0] = 'task ' + words[0]
        words += [artifact.parts[0].text for artifact in what.artifacts]
    return ', '.join(words)


def describe_part(part):
    kind = part.WhichOneof('content')
    value = getattr(part, kind)
    if kind == 'raw':
        value = value.hex()
    if kind == 'data':
        value = json.dumps(dict(value.struct_value), separators=(',', ':'))
    return ' '.join(str(word) for word in (kind, value, part.filename, part.media_type) if word)


async def events(stream):
    async for response in stream:
        yield getattr(response, response.WhichOneof('payload'))


async def send(blocking_client):
    message = request(Part(text='Send'), context=CONTEXT)
    async for event in events(blocking_client.send_message(message)):
        print('send:', describe(event))


async def stream(client, webhook):
    """Streams a task that has a webhook, and gives it another one meanwhile."""
    config = TaskPushNotificationConfig(
        id='webhook', url=webhook, token='secret', authentication=AuthenticationInfo(scheme='Bearer', credentials='letmein')
    )
    message = request(Part(text='Stream'), context=CONTEXT, task_push_notification_config=config)
    async for event in events(client.send_message(message)):
        print('stream:', describe(event))
        if event.DESCRIPTOR.name == 'Task':
            task = event.id
            await push(client, task, webhook + '/second')
    return task


async def push(client, task, url):
    config = TaskPushNotificationConfig(task_id=task, id='second', url=url, token='another')
    made = await client.create_task_push_notification_config(config)
    assert (made.task_id, made.url) == (task, url), made
    print('push created:', made.id, made.token)
    which = GetTaskPushNotificationConfigRequest(task_id=task, id='webhook')
    got = await client.get_task_push_notification_config(which)
    print('push got:', got.id, got.token, got.authentication.scheme, got.authentication.credentials or 'hidden')
    which = ListTaskPushNotificationConfigsRequest(task_id=task)
    print('push listed:', *sorted(c.id for c in (await client.list_task_push_notification_configs(which)).configs))
    await client.delete_task_push_notification_config(DeleteTaskPushNotificationConfigRequest(task_id=task, id='second'))
    print('push left:', *(c.id for c in (await client.list_task_push_notification_configs(which)).configs))


async def get(client, task):
    got = await client.get_task(GetTaskRequest(id=task))
    print('get:', describe(got))
    for message in got.history:
        print('history:', Role.Name(message.role).removeprefix('ROLE_').lower() + ',', message.parts[0].text)
    got = await client.get_task(GetTaskRequest(id=task, history_length=1))
    print('last of the history:', *(message.parts[0].text for message in got.history))


async def list_tasks(client):
    which = ListTasksRequest(context_id=CONTEXT, page_size=1, include_artifacts=True)
    while True:
        page = await client.list_tasks(which)
        print(f'list: {len(page.tasks)} of {page.total_size},', describe(page.tasks[0]))
        if not page.next_page_token:
            break
        which.page_token = page.next_page_token


async def ask(blocking_client):
    """Sends all kinds of parts but text, of which the agent can make nothing, and then the text, without waiting."""
    parts = (
        Part(raw=b'\x00\xff', filename='a.txt', media_type='text/plain'),
        Part(url='https://example.com/a.html', media_type='text/html'),
        Part(data=ParseDict({'n': 'one'}, Value())),
    )
    async for event in events(blocking_client.send_message(request(*parts))):
        print('ask:', describe(event))
        task = event
    for part in task.history[0].parts:
        print('part:', describe_part(part))
    message = request(Part(text='Answer'), task=task.id, context=task.context_id, return_immediately=True)
    async for event in events(blocking_client.send_message(message)):
        print('answer:', describe(event))
    return task.id


async def cancel(client, blocking_client):
    print('cancel:', describe(await client.cancel_task(CancelTaskRequest(id=await ask(blocking_client)))))
    canceled = events(client.send_message(request(Part(text='Cancel'))))
    task = (await anext(canceled)).id
    print('canceled stream:', describe(await anext(canceled)))
    print('cancel:', describe(await client.cancel_task(CancelTaskRequest(id=task))))
    *_, last = [event async for event in canceled]
    print('canceled stream:', describe(last))
    try:
        await client.cancel_task(CancelTaskRequest(id=task))
    except A2AError as error:
        print('cancel:', type(error).__name__)


async def resubscribe(client):
    dropped = events(client.send_message(request(Part(text='Drop'))))
    task = (await anext(dropped)).id
    print('dropped stream:', describe(await anext(dropped)))
    await dropped.aclose()
    async for event in events(client.subscribe(SubscribeToTaskRequest(id=task))):
        if not describe(event).startswith('working'):  # how many of these are left is a matter of time
            print('resubscribed:', describe(event).partition(', Star')[0])


async def unknown(client):
    try:
        await client.get_task(GetTaskRequest(id='unknown'))
    except A2AError as error:
        print('unknown task:', type(error).__name__)


async def main(base_url, binding, webhook, token):
    async with httpx.AsyncClient(timeout=30, headers={'Authorization': f'Bearer {token}'}) as http:
        card = await A2ACardResolver(http, base_url).get_agent_card()
        can = {'streaming': card.capabilities.streaming, 'pushNotifications': card.capabilities.push_notifications}
        print('card:', ', '.join([card.name, *(name for name in can if can[name])]))

        def connect(**how):
            return ClientFactory(ClientConfig(httpx_client=http, supported_protocol_bindings=[binding], **how)).create(card)

        client, blocking_client = connect(), connect(streaming=False)
        extended = await client.get_extended_agent_card(GetExtendedAgentCardRequest())
        print('extended card:', *(skill.id for skill in extended.skills))
        await send(blocking_client)
        task = await stream(client, webhook)
        await get(client, task)
        await list_tasks(client)
        await cancel(client, blocking_client)
        await resubscribe(client)
        await unknown(client)


asyncio.run(main(*sys.argv[1:]))
