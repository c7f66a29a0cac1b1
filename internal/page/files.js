// The files that the next message takes along.

// The most bytes of files in a message. A request has 6 MiB, and in it a file takes a third more than it has.
const mostFiles = 4_000_000;
const mostBody = 5_800_000;

let attached = []; // { name, type, bytes: Uint8Array }

// inputModes are the media types that the agent takes, of its card.
let inputModes = [];

const textual = /^(text\/.*|application\/(json|xml|yaml|javascript|x-sh|sql)|[^/]+\/[^/]+\+(json|xml))$/;

// takes tells whether the agent says that it takes a media type. "text" is text of any kind.
function takes(type) {
  return !type || !inputModes.length || inputModes.some((mode) => {
    const m = mode.toLowerCase().split(';')[0].trim();
    return m === type || m === '*/*' || m === '*' || type.startsWith(m.replace(/\*$/, '').replace(/\/?$/, '/'));
  });
}

// mediaType returns what a file is sent as. A text of a kind that the agent does not name is sent as what it does take: text.
function mediaType(file) {
  const type = file.type.toLowerCase().split(';')[0].trim();
  return !takes(type) && textual.test(type) && takes('text/plain') ? 'text/plain' : type;
}

const room = () => mostFiles - attached.reduce((sum, { bytes }) => sum + bytes.length, 0);

// attach takes files along, or says why it does not.
async function attach(list) {
  const problems = [];
  for (const file of list) {
    const name = plain(file.name);
    const type = mediaType(file);
    if (!takes(type)) {
      problems.push(words.notTaken(name, type, inputModes.join(', ')));
    } else if (file.size > room()) {
      problems.push(words.noRoom(name, size(file.size), size(mostFiles)));
    } else {
      try {
        attached.push({ name: file.name, type, bytes: new Uint8Array(await file.arrayBuffer()) });
      } catch {
        problems.push(words.unreadable(name));
      }
    }
  }
  showAttached();
  complain(problems.join(' '));
}

function complain(text) {
  $('complaint').textContent = text;
  $('complaint').hidden = !text;
}

function showAttached() {
  $('attached').replaceChildren(...attached.map((file) => {
    const item = element('li', '', 'chip');
    const remove = element('button', '×', 'quiet');
    remove.type = 'button';
    remove.ariaLabel = words.detach(plain(file.name));
    remove.addEventListener('click', () => {
      attached = attached.filter((other) => other !== file);
      showAttached();
      complain('');
      $('message').focus();
    });
    item.append(named(plain(file.name)), element('span', size(file.bytes.length), 'soft'), remove);
    return item;
  }));
  $('attached').hidden = !attached.length;
  refreshComposer();
}

// fileParts returns the parts for the attached files, which go with the message.
async function fileParts() {
  const files = attached;
  attached = [];
  showAttached();
  return Promise.all(files.map(async ({ name, type, bytes }) => {
    const part = { raw: await base64(bytes), filename: name };
    if (type) part.mediaType = type;
    return part;
  }));
}

async function base64(bytes) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(new Blob([bytes]));
  });
  return url.slice(url.indexOf(',') + 1);
}

$('attach').addEventListener('click', () => $('files').click());
$('files').addEventListener('change', async () => {
  await attach([...$('files').files]);
  $('files').value = '';
  $('message').focus();
});
$('message').addEventListener('paste', (event) => {
  const files = [...event.clipboardData.files];
  if (!files.length) return;
  event.preventDefault();
  attach(files);
});

const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
for (const kind of ['dragenter', 'dragover']) {
  addEventListener(kind, (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    $('drop').hidden = false;
  });
}
addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) $('drop').hidden = true;
});
addEventListener('drop', (event) => {
  $('drop').hidden = true;
  if (!carriesFiles(event)) return;
  event.preventDefault();
  attach([...event.dataTransfer.files]);
});
