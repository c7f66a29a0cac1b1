"""The tutorial's server (a2a-sdk 0.2.8, uvicorn), whose agent takes the benchmark's orders. It inherits its listener as file 3."""

import asyncio
import json
import socket
import time

import uvicorn
from a2a.server.agent_execution import AgentExecutor
from a2a.server.apps import A2AStarletteApplication
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, TaskArtifactUpdateEvent, TaskState
from a2a.utils import new_agent_text_message, new_task, new_text_artifact


class Executor(AgentExecutor):
    async def execute(self, context, event_queue):
        task = new_task(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.contextId)
        order = json.loads(context.get_user_input())
        begin, every = time.monotonic(), order.get('everyMs', 0) / 1000
        for n in range(2, order['events']):
            if every:
                await asyncio.sleep(begin + (n - 1) * every - time.monotonic())
            text = f'Event {n} made at {time.time_ns()} '
            if order.get('tokens'):
                artifact = new_text_artifact('answer', text)
                artifact.artifactId = 'tokens'
                await event_queue.enqueue_event(
                    TaskArtifactUpdateEvent(artifact=artifact, append=n > 2, contextId=task.contextId, taskId=task.id)
                )
            else:
                message = new_agent_text_message(text.ljust(100, '.'), task.contextId, task.id)
                await updater.update_status(TaskState.working, message)
        await updater.complete()

    async def cancel(self, context, event_queue):
        task = context.current_task
        await TaskUpdater(event_queue, task.id, task.contextId).cancel()


listener = socket.socket(fileno=3)
host, port = listener.getsockname()
card = AgentCard(
    name='Benchmark', description='Takes orders', version='1.0.0', url=f'http://{host}:{port}/', skills=[],
    defaultInputModes=['text'], defaultOutputModes=['text'], capabilities=AgentCapabilities(streaming=True),
)
handler = DefaultRequestHandler(agent_executor=Executor(), task_store=InMemoryTaskStore())
app = A2AStarletteApplication(agent_card=card, http_handler=handler).build()
uvicorn.Server(uvicorn.Config(app, log_level='warning')).run(sockets=[listener])
