import { isWhenceError } from "./errors.js";
import type { Call, CallOptions, Transport } from "./transport.js";
import type { Answer, PortalTokens, SaidLanding, Session } from "./types.js";

/** Log-ins by tokens, for apps that have no cookies of whence's host. */
export class Portal {
  readonly #transport: Transport;
  #tokens: PortalTokens | undefined;
  #exchange: Promise<PortalTokens> | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Returns the tokens of the log-in, to keep them in a safe place. */
  get tokens(): PortalTokens | undefined {
    return this.#tokens;
  }

  /** Goes on with the tokens of an earlier log-in. */
  use(tokens: PortalTokens | undefined): void {
    this.#tokens = tokens;
  }

  /** Mails a code to the address. An app that knows by which link its user came says so here. */
  start(login: { email: string } & SaidLanding, options?: CallOptions): Promise<Answer<"StartedPortalLogin">> {
    return this.#transport.call({ ...options, method: "POST", path: "/api/v1/auth/login/start", body: login, portal: true });
  }

  /** Verifies the code and logs in. With `tokenDelivery: "body"` the refresh token is among the tokens, and in no cookie. */
  async login(
    login: { requestId: string; code: string; tokenDelivery?: Answer<"TokenDelivery"> },
    options?: CallOptions,
  ): Promise<PortalTokens & { isNewUser: boolean }> {
    const { tokenDelivery, ...rest } = login;
    const body = tokenDelivery === "body" ? login : rest;
    const answer = await this.#transport.call<Answer<"IssuedTokens">>({ ...options, method: "POST", path: "/api/v1/auth/login", body, portal: true });
    return { ...this.#keep(answer), isNewUser: answer.isNewUser === true };
  }

  /** Exchanges the refresh token. Calls at one time make one exchange. */
  refresh(options?: CallOptions): Promise<PortalTokens> {
    this.#exchange ??= this.#refresh(options).finally(() => (this.#exchange = undefined));
    return this.#exchange;
  }

  async #refresh(options?: CallOptions): Promise<PortalTokens> {
    // A lost answer is given again for 30 seconds, so this may be tried twice.
    const call = { ...options, method: "POST", path: "/api/v1/auth/refresh", portal: true, repeatable: true } as const;
    try {
      return this.#keep(await this.#transport.call<Answer<"IssuedTokens">>({ ...call, body: this.#refreshBody() }));
    } catch (error) {
      if (isWhenceError(error) && error.status === 401) this.#tokens = undefined;
      throw error;
    }
  }

  #refreshBody(): { refreshToken?: string } {
    const refreshToken = this.#tokens?.refreshToken;
    return refreshToken ? { refreshToken } : {};
  }

  #keep(answer: Answer<"IssuedTokens">): PortalTokens {
    const { accessToken, expiresIn, refreshToken } = answer;
    this.#tokens = { accessToken, expiresAt: Date.now() + expiresIn * 1000, ...(refreshToken ? { refreshToken } : {}) };
    return this.#tokens;
  }

  /** Ends the session of the tokens. */
  async logout(options?: CallOptions): Promise<void> {
    const call = { ...options, method: "POST", path: "/api/v1/auth/logout", portal: true, repeatable: true } as const;
    await this.#transport.call({ ...call, body: this.#refreshBody() });
    this.#tokens = undefined;
  }

  /** Returns the sessions that are in use, the newest first. */
  async sessions(options?: CallOptions): Promise<Session[]> {
    return (await this.authorized<Answer<"PortalSessionList">>({ ...options, path: "/api/v1/auth/sessions" })).items;
  }

  /** Ends one session. */
  async revokeSession(id: string, options?: CallOptions): Promise<void> {
    await this.authorized({ ...options, method: "DELETE", path: `/api/v1/auth/sessions/${encodeURIComponent(id)}` });
  }

  /** Ends all sessions but this one, and returns how many that were. */
  async revokeOtherSessions(options?: CallOptions): Promise<number> {
    const call = { ...options, method: "POST", path: "/api/v1/auth/sessions/revoke-all", repeatable: true } as const;
    return (await this.authorized<Answer<"RevokedSessions">>(call)).revoked;
  }

  /** Makes a call with the access token, exchanging tokens when it is over; without tokens, by the session cookie. */
  async authorized<T>(call: Call): Promise<T> {
    const tokens = this.#tokens;
    if (!tokens) return this.#transport.call<T>({ ...call, portal: true });
    // Some seconds early, because clocks differ.
    const over = tokens.expiresAt < Date.now() + 5000;
    const { accessToken } = over ? await this.refresh() : tokens;
    try {
      return await this.#transport.call<T>({ ...call, portal: true, bearer: accessToken });
    } catch (error) {
      if (over || !isWhenceError(error) || error.status !== 401) throw error;
      const fresh = await this.refresh();
      return this.#transport.call<T>({ ...call, portal: true, bearer: fresh.accessToken });
    }
  }
}
