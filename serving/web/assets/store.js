// Conversations in this browser's IndexedDB: heads for the list, and questions and answers by turn.
// Answers are apart from questions, whose files need not be written again while an answer grows.

const NAME = "storm",
  VERSION = 1;

let opening = null;
const memory = { heads: new Map(), questions: new Map(), answers: new Map() };
let unavailable = false;

export const isTemporary = () => unavailable;

function open() {
  opening ||= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const data = request.result;
      data.createObjectStore("heads", { keyPath: "id" });
      for (const name of ["questions", "answers"])
        data.createObjectStore(name, { keyPath: "id" }).createIndex("conversation", "conversation");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  }).catch(() => {
    unavailable = true; // A private window, for example: conversations last until the page is left.
    return null;
  });
  return opening;
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

// Write values; name: heads, questions or answers. Raises the browser's error, such as a full disk.
export async function put(name, value) {
  const data = await open();
  if (!data) return void memory[name].set(value.id, structuredClone(value));
  const transaction = data.transaction(name, "readwrite");
  transaction.objectStore(name).put(value);
  return finished(transaction);
}

export async function heads() {
  const data = await open();
  const found = data
    ? await result(data.transaction("heads").objectStore("heads").getAll())
    : [...memory.heads.values()];
  return found.sort((a, b) => b.changed - a.changed);
}

export async function head(id) {
  const data = await open();
  return (data ? await result(data.transaction("heads").objectStore("heads").get(id)) : memory.heads.get(id)) || null;
}

// Return the questions and answers of a conversation.
export async function parts(conversation) {
  const data = await open();
  if (!data)
    return ["questions", "answers"].map((name) =>
      [...memory[name].values()].filter((one) => one.conversation === conversation),
    );
  const transaction = data.transaction(["questions", "answers"]);
  return Promise.all(
    ["questions", "answers"].map((name) =>
      result(transaction.objectStore(name).index("conversation").getAll(conversation)),
    ),
  );
}

export async function remove(conversation) {
  const data = await open();
  const [questions, answers] = await parts(conversation);
  if (!data) {
    memory.heads.delete(conversation);
    questions.forEach((one) => memory.questions.delete(one.id));
    answers.forEach((one) => memory.answers.delete(one.id));
    return;
  }
  const transaction = data.transaction(["heads", "questions", "answers"], "readwrite");
  transaction.objectStore("heads").delete(conversation);
  questions.forEach((one) => transaction.objectStore("questions").delete(one.id));
  answers.forEach((one) => transaction.objectStore("answers").delete(one.id));
  return finished(transaction);
}
