// Requests to the API of this server, with errors in words.

import { apiKey, askForKey } from "./api_key.js";

export class ApiFailure extends Error {
  constructor({ status = 0, message, code = null, retryAfter = null }) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

const STATUS = {
  0: "The server cannot be reached. Is it running?",
  401: "The server wants an API key.",
  413: "The request is larger than the server accepts. Remove files, or shorten the text.",
  429: "The server has too many requests at the moment.",
  500: "The server failed.",
  502: "The model behind the server failed.",
  503: "The server is not available at the moment.",
};

// Return the response of a request; asks for a key if the server wants one. Raises ApiFailure.
export async function request(path, { body, signal } = {}) {
  for (;;) {
    const response = await once(path, body, signal);
    if (response.ok) return response;
    const failure = await failureOf(response);
    const reason = apiKey()
      ? "The server does not accept this key. Enter another."
      : "This server asks for an API key.";
    if (response.status !== 401 || !(await askForKey(reason))) throw failure;
  }
}

export const post = async (path, body, signal) => json(await request(path, { body, signal }));
export const get = async (path) => json(await request(path));

async function json(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new ApiFailure({ status: response.status, message: "The server's answer is not JSON." });
  }
}

async function once(path, body, signal) {
  const key = apiKey();
  const headers = {
    ...(body ? { "Content-Type": "application/json" } : {}),
    ...(key ? { Authorization: `Bearer ${key}` } : {}),
  };
  try {
    return await fetch(new URL(path, document.baseURI), {
      method: body ? "POST" : "GET",
      headers,
      body: body ? JSON.stringify(body) : undefined,
      signal,
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error instanceof TypeError && /header|ISO-8859-1|ByteString/i.test(error.message)) {
      throw new ApiFailure({ status: 401, message: "The API key has characters that a key cannot have." });
    }
    throw new ApiFailure({ status: 0, message: STATUS[0] });
  }
}

async function failureOf(response) {
  let error = null;
  try {
    error = (await response.json()).error;
  } catch {
    // A proxy answers with HTML, for example.
  }
  const wait = Number(response.headers.get("retry-after"));
  return describe(error, response.status, Number.isFinite(wait) && wait > 0 ? Math.min(wait, 3600) : null);
}

// Return the failure for an error object of the API, from a response or within a stream.
export function describe(error, status = null, retryAfter = null) {
  const detail = error && typeof error.message === "string" ? error.message.slice(0, 1000) : "";
  const general = STATUS[status] || (status && !detail ? `The server answered with status ${status}.` : "");
  const message = [
    general,
    detail && `${detail.charAt(0).toUpperCase()}${detail.slice(1)}${/[.!?]$/.test(detail) ? "" : "."}`,
  ]
    .filter(Boolean)
    .join(" ");
  return new ApiFailure({
    status: status || 0,
    message: message || "The answer failed.",
    code: error?.code || null,
    retryAfter,
  });
}
