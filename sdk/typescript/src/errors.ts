/** The brand by which an error of one copy of this package is known to another one (ESM and CJS side by side). */
const BRAND = Symbol.for("whence.error");

/** What is known of a failed call. */
export interface ErrorFacts {
  code: string;
  message: string;
  /** The status of the answer; 0 where there was none. */
  status: number;
  /** The id of the request at the server, for its logs. */
  requestId?: string | undefined;
  /** After how many seconds the server wants to be asked again. */
  retryAfter?: number | undefined;
  /** The body of the answer, as it was read. */
  body?: unknown;
  cause?: unknown;
}

/** A call failed: `code` says how. All errors of this package are of this class, but an abort by its own caller. */
export class WhenceError extends Error {
  override name = "WhenceError";
  readonly code: string;
  readonly status: number;
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;
  readonly body: unknown;

  constructor(facts: ErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.status = facts.status;
    this.requestId = facts.requestId;
    this.retryAfter = facts.retryAfter;
    this.body = facts.body;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** An error in the envelope of the portal family, with what a translated message needs. */
export class WhencePortalError extends WhenceError {
  override name = "WhencePortalError";
  readonly i18nKey: string;
  readonly i18nVars: Record<string, unknown>;
  readonly details: readonly { message: string; [more: string]: unknown }[];

  constructor(facts: ErrorFacts, said: Record<string, unknown>) {
    super(facts);
    this.i18nKey = String(said["i18nKey"] ?? "");
    this.i18nVars = (said["i18nVars"] ?? {}) as Record<string, unknown>;
    this.details = (said["details"] ?? []) as { message: string }[];
  }
}

/** No answer came: no connection, a broken one, or a browser that let none through. `code` is `network_error`. */
export class WhenceNetworkError extends WhenceError {
  override name = "WhenceNetworkError";
}

/** No answer came in time. `code` is `timeout`; whether the call was carried out is not known. */
export class WhenceTimeoutError extends WhenceError {
  override name = "WhenceTimeoutError";
}

/** Returns whether something that was thrown is an error of this package, also of another copy of it. */
export function isWhenceError(thrown: unknown): thrown is WhenceError {
  return typeof thrown === "object" && thrown !== null && BRAND in thrown;
}

/** Returns the error that an answer is. */
export function errorOf(response: Response, body: unknown): WhenceError {
  const said = (body ?? {}) as Record<string, unknown>;
  const inner = said["error"];
  const facts = (code: unknown, message: unknown, id: unknown): ErrorFacts => ({
    code: typeof code === "string" ? code : "unexpected_answer",
    message: typeof message === "string" ? message : `The server answered ${response.status}.`,
    status: response.status,
    requestId: response.headers.get("x-request-id") ?? (typeof id === "string" ? id : undefined),
    retryAfter: retryAfterOf(response),
    body,
  });
  if (typeof inner === "object" && inner !== null) {
    const portal = inner as Record<string, unknown>;
    return new WhencePortalError(facts(portal["code"], portal["message"], portal["correlationId"]), portal);
  }
  return new WhenceError(facts(inner, said["message"] ?? said["error_description"], said["request_id"]));
}

/** Returns the seconds of a `Retry-After`, which may also be a date. */
export function retryAfterOf(response: Response): number | undefined {
  const text = response.headers.get("retry-after");
  if (!text) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, Math.ceil(seconds));
}
