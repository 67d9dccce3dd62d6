import { camel, snake } from "./case.js";
import { errorOf, isWhenceError, retryAfterOf, WhenceNetworkError, WhenceTimeoutError } from "./errors.js";
import { CookieJar, setCookiesOf } from "./jar.js";

/** What a client is made with. Everything may be left out. */
export interface ClientOptions {
  /**
   * Where whence is, such as `https://login.example.com`. Without it: the environment's `WHENCE_URL`, or in a browser
   * the origin of the page.
   */
  baseUrl?: string | URL | undefined;
  /** The key of a back-end, for the calls that take one. Never in a browser: whoever reads the page has it. */
  apiKey?: string | undefined;
  /** The function that makes requests; that of the runtime without it. */
  fetch?: typeof globalThis.fetch | undefined;
  /** How long a call may take in milliseconds, its second try included. 30 seconds without it, as at the server. */
  timeout?: number | undefined;
  /** How many seconds of `Retry-After` are waited for before a second try; longer ones are errors. 3 without it. */
  maxRetryAfter?: number | undefined;
  /** Headers of every request. */
  headers?: Record<string, string> | undefined;
  /**
   * The cookies of one person: a jar, or the `Cookie` header of the request that a service answers. Not in browsers,
   * which keep their own. An empty jar without it.
   */
  cookies?: CookieJar | string | undefined;
  /** Is given each `Set-Cookie` line of an answer, to pass it on. Not in browsers. */
  onSetCookie?: ((line: string) => void) | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call; it then throws the reason of the signal. */
  signal?: AbortSignal | undefined;
  /** How long this call may take in milliseconds. */
  timeout?: number | undefined;
}

/** A call, as the modules of the surface describe it. */
export interface Call extends CallOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  /** Whether the session's CSRF token is sent. */
  csrf?: boolean;
  /** Whether it may be made twice although it is a POST. */
  repeatable?: boolean;
  /** The names of the portal family are in camelCase already, and its answers in an envelope. */
  portal?: boolean;
  bearer?: string | undefined;
  /** A form instead of a body of JSON. */
  form?: Record<string, string>;
  /** The names of the answer stay as they are. */
  asIs?: boolean;
}

const CSRF_COOKIES = ["__Host-nl_csrf", "nl_csrf"];
const CSRF_HEADER = "x-csrf-token";

/** Whether this is a page, or a worker of one: there, the browser keeps the cookies, and no script may. */
function inBrowser(): boolean {
  const { document, WorkerGlobalScope, navigator } = globalThis as Record<string, unknown> & { navigator?: { userAgent?: string } };
  return document !== undefined || (WorkerGlobalScope !== undefined && /^Mozilla\//.test(navigator?.userAgent ?? ""));
}

function defaultBaseUrl(): string {
  const { location, process } = globalThis as { location?: { origin: string }; process?: { env?: Record<string, string> } };
  const url = process?.env?.["WHENCE_URL"] ?? location?.origin;
  if (!url) throw new TypeError("WhenceClient: say where whence is: { baseUrl: \"https://login.example.com\" }");
  return url;
}

const noAnswer = (url: string | URL, cause: unknown): WhenceNetworkError =>
  new WhenceNetworkError({ code: "network_error", message: `No answer from ${new URL(url).origin}.`, status: 0, cause });

/** Waits, unless the signal ends it. */
const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = (): void => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal.removeEventListener("abort", end), resolve()), milliseconds);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });

/** Makes the requests of one client: cookies, CSRF, time-outs, one retry, errors. */
export class Transport {
  readonly baseUrl: string;
  readonly jar: CookieJar | undefined;
  readonly apiKey: string | undefined;
  readonly #options: ClientOptions;
  #csrf: string | undefined;

  constructor(options: ClientOptions) {
    const url = new URL(options.baseUrl ?? defaultBaseUrl());
    if (!/^https?:$/.test(url.protocol)) throw new TypeError(`WhenceClient: ${url.protocol} is no web address`);
    this.baseUrl = url.origin + url.pathname.replace(/\/+$/, "");
    this.apiKey = options.apiKey || undefined;
    if (this.apiKey && inBrowser()) throw new TypeError("WhenceClient: an API key in a page is everybody's");
    this.#options = options;
    const { cookies } = options;
    if (!inBrowser()) this.jar = typeof cookies === "string" ? CookieJar.ofHeader(cookies, url) : (cookies ?? new CookieJar());
  }

  /** Makes a call and returns its answer. */
  async call<T>(call: Call): Promise<T> {
    const timeout = new AbortController();
    const limit = call.timeout ?? this.#options.timeout ?? 30_000;
    const timer = setTimeout(() => timeout.abort(), limit);
    // AbortSignal.any is younger than the browsers that this is for.
    const end = (): void => timeout.abort(call.signal?.reason);
    if (call.signal?.aborted) end();
    call.signal?.addEventListener("abort", end);
    try {
      return (await this.#withCsrf(call, timeout.signal)) as T;
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      if (!timeout.signal.aborted || (isWhenceError(error) && error.status > 0)) throw error;
      throw new WhenceTimeoutError({ code: "timeout", message: `No answer within ${limit} ms.`, status: 0, cause: error });
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", end);
    }
  }

  async #withCsrf(call: Call, signal: AbortSignal): Promise<unknown> {
    if (!call.csrf) return this.#withRetry(call, signal);
    const token = this.#csrfCookie() ?? this.#csrf;
    try {
      // Without one it is asked for: on a sibling domain a page cannot read the cookie.
      return await this.#withRetry(call, signal, token ?? (await this.#askForCsrf(signal)));
    } catch (error) {
      // Another tab may have logged in since. The server has refused before it did anything.
      if (!isWhenceError(error) || !/^csrf_/.test(error.code) || token === undefined) throw error;
      const fresh = await this.#askForCsrf(signal);
      if (fresh === undefined || fresh === token) throw error;
      return this.#withRetry(call, signal, fresh);
    }
  }

  /** Returns the CSRF token of the cookie, where this code may read it. */
  #csrfCookie(): string | undefined {
    if (this.jar) {
      const { jar } = this;
      return CSRF_COOKIES.map((name) => jar.get(name, this.baseUrl + "/")).find(Boolean);
    }
    const { document } = globalThis as { document?: { cookie: string } };
    // The cookies of a page are those of its own host, whatever the port.
    if (!document || location.hostname !== new URL(this.baseUrl).hostname) return undefined;
    const pairs = document.cookie.split("; ");
    return CSRF_COOKIES.map((name) => pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)).find(Boolean);
  }

  /** Returns the CSRF token that the server says with the user; none where nobody is logged in. */
  async #askForCsrf(signal: AbortSignal): Promise<string | undefined> {
    this.#csrf = undefined;
    try {
      await this.#withRetry({ path: "/v1/auth/me" }, signal);
    } catch (error) {
      if (!isWhenceError(error) || error.status !== 401) throw error;
    }
    return this.#csrf ?? this.#csrfCookie();
  }

  async #withRetry(call: Call, signal: AbortSignal, csrf?: string): Promise<unknown> {
    // PATCH sets fields to values here: twice is as good as once.
    const repeatable = call.repeatable ?? (call.method ?? "GET") !== "POST";
    let response: Response;
    try {
      response = await this.#send(call, signal, csrf);
    } catch (error) {
      if (signal.aborted || !repeatable) throw error;
      await pause(200 + Math.random() * 200, signal);
      response = await this.#send(call, signal, csrf);
      return this.#read(call, response);
    }
    const wait = this.#retryAfter(response, repeatable);
    if (wait !== undefined) {
      await response.body?.cancel().catch(() => {});
      await pause(wait * 1000 + Math.random() * 200, signal);
      response = await this.#send(call, signal, csrf);
    }
    return this.#read(call, response);
  }

  /** Returns after how many seconds an answer is worth a second try. */
  #retryAfter(response: Response, repeatable: boolean): number | undefined {
    const after = retryAfterOf(response);
    // 429 says that nothing was done. After any other answer only a call that may be repeated is.
    if (response.status === 429 ? after === undefined : !repeatable || response.status < 500) return undefined;
    if (after === undefined && ![502, 503, 504].includes(response.status)) return undefined;
    return (after ?? 0.3) <= (this.#options.maxRetryAfter ?? 3) ? (after ?? 0.3) : undefined;
  }

  async #send(call: Call, signal: AbortSignal, csrf?: string): Promise<Response> {
    const url = new URL(this.baseUrl + call.path);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers(this.#options.headers);
    if (call.body !== undefined) headers.set("content-type", "application/json");
    if (call.bearer) headers.set("authorization", `Bearer ${call.bearer}`);
    if (csrf) headers.set(CSRF_HEADER, csrf);
    const cookies = this.jar?.header(url);
    if (cookies) headers.set("cookie", cookies);
    // A redirect would turn a POST into a GET, and tell another host the body.
    const init: RequestInit = { method: call.method ?? "GET", headers, signal, redirect: "manual" };
    if (call.body !== undefined) init.body = JSON.stringify(call.portal ? call.body : snake(call.body));
    if (call.form) init.body = new URLSearchParams(call.form);
    // Some runtimes of edge servers refuse the setting itself.
    if (!this.jar) init.credentials = "include";
    const send = this.#options.fetch ?? globalThis.fetch;
    let response: Response;
    try {
      response = await send(url.href, init);
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw noAnswer(url, cause);
    }
    for (const line of this.jar ? setCookiesOf(response.headers) : []) {
      this.jar?.set(line, url);
      this.#options.onSetCookie?.(line);
    }
    this.#csrf = response.headers.get(CSRF_HEADER) ?? this.#csrf;
    return response;
  }

  async #read(call: Call, response: Response): Promise<unknown> {
    const text = await response.text().catch((cause: unknown) => {
      throw noAnswer(response.url || this.baseUrl, cause);
    });
    let body: unknown;
    try {
      body = text === "" ? undefined : JSON.parse(text);
    } catch {
      body = text;
    }
    if (response.ok && typeof body !== "string") {
      if (!call.portal) return call.asIs ? body : camel(body);
      const envelope = body as { success?: boolean; data?: unknown } | undefined;
      if (envelope?.success) return envelope.data;
    }
    throw errorOf(response, body);
  }
}
