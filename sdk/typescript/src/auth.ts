import type { CallOptions, Transport } from "./transport.js";
import type { AccessToken, Answer, AttributeResult, Device, Erasure, Me, Session, User } from "./types.js";

/** The log-in by a mailed code, and the change of one's address. */
export class EmailAuth {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Mails a code to the address. What comes back is needed to verify it. */
  start(login: { email: string }, options?: CallOptions): Promise<Answer<"StartedLogin">> {
    return this.#transport.call({ ...options, method: "POST", path: "/v1/auth/email/start", body: login });
  }

  /** Verifies the code and logs in. Never tried twice by itself: a code counts once. */
  verify(login: { requestId: string; code: string }, options?: CallOptions): Promise<{ user: User }> {
    return this.#transport.call({ ...options, method: "POST", path: "/v1/auth/email/verify", body: login });
  }

  /** Mails a code to the address that the account is to move to. */
  startChange(change: { email: string }, options?: CallOptions): Promise<Answer<"StartedLogin">> {
    return this.#transport.call({ ...options, method: "POST", path: "/v1/auth/email/change", body: change, csrf: true });
  }

  /** Verifies that code and moves the account. The previous address may object for 72 hours. */
  verifyChange(change: { requestId: string; code: string }, options?: CallOptions): Promise<{ user: User }> {
    return this.#transport.call({ ...options, method: "POST", path: "/v1/auth/email/change/verify", body: change, csrf: true });
  }
}

/** The sessions of the user. */
export class Sessions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Returns the sessions that are in use, the newest first. */
  async list(options?: CallOptions): Promise<Session[]> {
    const { items } = await this.#transport.call<Answer<"SessionList">>({ ...options, path: "/v1/auth/sessions" });
    // `current` is missing only where an operator asks.
    return items as Session[];
  }

  /** Ends one session, be it this one. */
  async revoke(id: string, options?: CallOptions): Promise<void> {
    const path = `/v1/auth/sessions/${encodeURIComponent(id)}`;
    await this.#transport.call({ ...options, method: "DELETE", path, csrf: true });
  }

  /** Ends all sessions but this one, and returns how many that were. */
  async revokeOthers(options?: CallOptions): Promise<number> {
    const path = "/v1/auth/sessions/revoke-all";
    return (await this.#transport.call<Answer<"RevokedOthers">>({ ...options, method: "POST", path, csrf: true, repeatable: true })).revoked;
  }
}

/** The devices that the user's address knows. */
export class Devices {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(options?: CallOptions): Promise<Device[]> {
    return (await this.#transport.call<Answer<"DeviceList">>({ ...options, path: "/v1/auth/devices" })).devices;
  }

  /** Lets a device count as unknown from now on. */
  async forget(id: string, options?: CallOptions): Promise<void> {
    const path = `/v1/auth/devices/${encodeURIComponent(id)}`;
    await this.#transport.call({ ...options, method: "DELETE", path, csrf: true });
  }
}

/** The erasure of one's own account, which can be undone until it is due. */
export class OwnErasure {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Returns when the account is erased; null when the user did not ask for it. */
  async get(options?: CallOptions): Promise<Erasure | null> {
    return (await this.#transport.call<Answer<"ErasureAnswer">>({ ...options, path: "/v1/auth/erasure" })).erasure;
  }

  /** Asks for it. The log-in must be of the last 15 minutes. */
  async request(options?: CallOptions): Promise<Erasure> {
    const call = { ...options, method: "POST", path: "/v1/auth/erasure", csrf: true, repeatable: true } as const;
    return (await this.#transport.call<{ erasure: Erasure }>(call)).erasure;
  }

  /** Undoes it. */
  async cancel(options?: CallOptions): Promise<void> {
    await this.#transport.call({ ...options, method: "DELETE", path: "/v1/auth/erasure", csrf: true });
  }
}

/** Who is logged in: the console family, by cookies. */
export class Auth {
  readonly email: EmailAuth;
  readonly sessions: Sessions;
  readonly devices: Devices;
  readonly erasure: OwnErasure;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.email = new EmailAuth(transport);
    this.sessions = new Sessions(transport);
    this.devices = new Devices(transport);
    this.erasure = new OwnErasure(transport);
  }

  /** Returns who is logged in; nobody is the error `unauthenticated`. */
  me(options?: CallOptions): Promise<Me> {
    return this.#transport.call({ ...options, path: "/v1/auth/me" });
  }

  /** Ends the session. Also when there is none any more. */
  async logout(options?: CallOptions): Promise<void> {
    await this.#transport.call({ ...options, method: "POST", path: "/v1/auth/logout", csrf: true, repeatable: true });
  }

  /**
   * Attributes the account to the code by which its visitor came. That nothing was attributed is an answer and no error;
   * an error is only that nobody is logged in, or that no answer came.
   */
  attribute(options?: CallOptions): Promise<AttributeResult> {
    return this.#transport.call({ ...options, method: "POST", path: "/v1/auth/attribute", body: {}, repeatable: true });
  }

  /** Changes what the user is shown by. What is left out stays; an empty text takes it away. */
  updateProfile(profile: { displayName?: string; avatarUrl?: string }, options?: CallOptions): Promise<{ user: User }> {
    return this.#transport.call({ ...options, method: "PATCH", path: "/v1/auth/me", body: profile, csrf: true });
  }

  /** Returns a token for the portal family and for the platform's other services; it counts for 15 minutes. */
  token(options?: CallOptions): Promise<AccessToken> {
    return this.#transport.call({ ...options, method: "POST", path: "/v1/auth/token", csrf: true, repeatable: true });
  }

  /** Returns everything on record about the user, under the names it has on record. The log-in must be of the last 15 minutes. */
  export(options?: CallOptions): Promise<Record<string, unknown>> {
    return this.#transport.call({ ...options, path: "/v1/auth/export", asIs: true });
  }
}
