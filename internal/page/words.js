// The words of the page, all of them: another language is another such file.

const words = {
  skip: 'Skip to the message box',
  conversation: 'Conversation',

  // The agent.
  agent: 'Agent',
  agentCard: 'About the agent',
  capabilities: 'Capabilities',
  version: (version) => `Version ${version}`,
  cardUnread: (status) => `The agent card cannot be read (${status}).`,
  cardLost: 'The agent card cannot be read: the server does not answer.',
  streaming: 'streaming',
  pushNotifications: 'push notifications',
  extendedCard: 'extended card',
  signedCard: 'signed card',
  skills: 'Skills',
  token: 'Bearer token',
  tokenUse: 'Use',
  tokenHint: 'This agent asks who is calling. The token stays in the memory of this page.',
  tokenFirst: 'Your conversations show when you have given a token.',

  // Before the first message.
  emptyTitle: 'See it stream',
  emptyFirst: 'Send a message, and watch each event as it arrives: its number, its time, the text as it grows.',
  emptySecond: 'Reload the page, close it, open it elsewhere: the agent goes on, and you find its answer again, live, with no event missing and none twice.',

  // The box.
  message: 'Message to the agent',
  answer: 'Your answer to the agent',
  messageHint: 'Enter sends, Shift+Enter begins a line. Files can be dropped here, or pasted.',
  send: 'Send',
  attach: 'Attach files',
  attached: 'Attached files',
  detach: (name) => `Remove ${name}`,
  fresh: 'New conversation',
  dropHere: 'Drop the files here',
  noRoom: (name, size, limit) => `${name} was not attached: with ${size} it is too much. A message takes ${limit} of files.`,
  notTaken: (name, type, takes) => `${name} was not attached: the agent does not take ${type}, but ${takes}.`,
  unreadable: (name) => `${name} cannot be read. Folders cannot be attached.`,
  tooLong: (size, limit) => `The message is too long: ${size}, and ${limit} is the limit.`,
  latest: 'Newest',

  // The conversations.
  recent: 'Conversations',
  refresh: 'Refresh',
  older: 'Older',
  none: 'None yet.',
  noneSuch: 'None of those that are loaded.',
  filter: 'Filter by words',
  filterState: 'Filter by state',
  anyState: 'All states',
  untitled: 'Conversation without words',
  opening: 'Opening the conversation …',
  gone: 'This conversation is not here. It may have expired, or be another caller’s.',
  earlier: 'Earlier messages',
  notNewest: 'This conversation is not among the newest. “Earlier messages” looks further back.',
  noneNewest: 'None among the newest. “Older” looks further back.',
  conversationOf: (agent) => `Conversation with ${agent}`,

  // A message on its way.
  you: 'You',
  sending: 'Sending …',
  received: 'Received',
  notSent: 'Not sent',
  sendAgain: 'Send again',
  edit: 'Edit',

  // A task.
  task: 'Task',
  events: 'Events',
  artifactRow: 'artifact',
  chunks: (name, n) => `${name}, ${n} chunks`,
  artifact: 'Artifact',
  phase: {
    '': 'Sending', submitted: 'Queued', working: 'Working', 'input-required': 'Waits for you', 'auth-required': 'Waits for an authorization',
    completed: 'Completed', failed: 'Failed', canceled: 'Canceled', rejected: 'Rejected', refused: 'Refused',
  },
  state: {
    submitted: 'queued', working: 'working', 'input-required': 'waits for you', 'auth-required': 'waits for an authorization',
    completed: 'completed', failed: 'failed', canceled: 'canceled', rejected: 'rejected',
  },
  canceling: 'Canceling …',
  drop: 'Drop the connection',
  resume: (last) => `Resume after event ${last}`,
  tryNow: 'Try now',
  cancel: 'Cancel',
  approve: 'Approve',
  refuse: 'Refuse',
  yes: 'Yes', // the answers that these give: an agent reads them
  no: 'No',
  replay: 'Replay the events',
  waitsForYou: 'The agent waits for your answer. Write it in the box below.',
  waitsForApproval: 'The agent asks before it does this. Approve or refuse it, or write in the box below what it is to do instead.',
  waitsForAuth: 'The agent waits for an authorization. It goes on when it has it.',
  inOrder: (first, last, faults) => `Events ${first} to ${last}, in order: ${faults || 'none missing, none twice'}.`,
  missing: (n) => `${n} missing`,
  twice: (n) => `${n} twice`,
  frames: 'Raw frames',
  steps: 'Steps',
  step: { running: 'running', waiting: 'waits', done: 'done', failed: 'failed', interrupted: 'interrupted', canceled: 'canceled', parked: 'parked' },
  until: (time) => `until ${time}`,
  attempt: (n) => `attempt ${n}`,
  byOperator: 'by an operator',

  // The connection.
  dropped: (last) => (last ? `You dropped the connection after event ${last}. The agent goes on.` : 'You dropped the connection.'),
  resuming: (last) => `Resuming with Last-Event-ID: ${last}`,
  again: 'Sending again: the same message joins the task that it began.',
  cut: (last) => (last ? `The stream was cut after event ${last}. Resuming with Last-Event-ID: ${last}` : 'No answer yet. Sending again.'),
  silent: (last) => (last ? `Nothing came for 10 s after event ${last}. Resuming with Last-Event-ID: ${last}` : 'No answer yet. Sending again.'),
  offline: 'Offline. It goes on when the network is back.',
  lost: 'Connection lost. Trying again …',
  canceledByYou: 'You canceled the task.',

  // Errors.
  answeredWith: (status) => `The server answered with ${status}.`,
  withoutStream: 'The server answered without a stream.',
  noAnswer: 'The server does not answer.',
  withCode: (message, code) => `${message} (${code})`,

  // Parts.
  copy: 'Copy',
  copied: 'Copied',
  code: 'Code',
  table: 'Table',
  data: 'Data',
  file: 'file',
  download: 'Download',
  opens: (host) => `Opens ${host}`,
  badFile: (name) => `${name} cannot be read.`,
  unknownPart: 'A part of an unknown kind.',
  image: (name) => `Image ${name}`,
  picture: 'image',
  items: (n) => (n === 1 ? '1 item' : `${n} items`),
  keys: (n) => (n === 1 ? '1 key' : `${n} keys`),
  more: (n) => `${n} more`,
  bytes: (n) => (n === 1 ? '1 byte' : `${n} bytes`),

  // What a screen reader is told.
  said: { code: (lines) => `Code, ${lines} lines.`, table: (rows) => `Table, ${rows} rows.` },
};

// The page gets its words: data-word names that of a text, data-label that of a label, which a box shows, too, while it is empty.
for (const root of [document, ...[...document.querySelectorAll('template')].map(({ content }) => content)]) {
  for (const e of root.querySelectorAll('[data-word]')) e.textContent = words[e.dataset.word];
  for (const e of root.querySelectorAll('[data-label]')) e.ariaLabel = words[e.dataset.label];
}
$('filter').placeholder = words.filter;
