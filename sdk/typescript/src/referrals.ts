import type { CallOptions, Transport } from "./transport.js";
import type { Answer, Creator, Invitee, ReferralCode, Referrals as Overview } from "./types.js";

/** The code of the user's own choice. */
export class OwnCode {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Gives the user this code: 3 to 32 of a-z, 0-9 and -, that nobody else has. */
  async choose(wanted: { slug: string }, options?: CallOptions): Promise<ReferralCode> {
    const call = { ...options, method: "POST", path: "/v1/referrals/code", body: wanted, csrf: true } as const;
    return (await this.#transport.call<Answer<"ChosenCodeAnswer">>(call)).code;
  }

  /** Gives it up: it attributes nothing from now on. */
  async remove(options?: CallOptions): Promise<void> {
    await this.#transport.call({ ...options, method: "DELETE", path: "/v1/referrals/code", csrf: true });
  }
}

/** Whom the user referred. */
export class Referrals {
  readonly code: OwnCode;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.code = new OwnCode(transport);
  }

  /** Returns the user's code, link and numbers. */
  me(options?: CallOptions): Promise<Overview> {
    return this.#transport.call({ ...options, path: "/v1/referrals/me" });
  }

  /** Returns a page of those who registered by the user's code, without their addresses. */
  async invitees(page: { limit?: number; offset?: number } = {}, options?: CallOptions): Promise<Invitee[]> {
    const query = { limit: page.limit, offset: page.offset };
    return (await this.#transport.call<Answer<"InviteeList">>({ ...options, path: "/v1/referrals/invitees", query })).items;
  }
}

/** The handles of the user. */
export class Creators {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  me(options?: CallOptions): Promise<Creator> {
    return this.#transport.call({ ...options, path: "/v1/creators/me" });
  }

  /** Gives the user this handle. Those from before stay theirs. */
  claim(wanted: { handle: string }, options?: CallOptions): Promise<Creator> {
    return this.#transport.call({ ...options, method: "PUT", path: "/v1/creators/me", body: wanted, csrf: true });
  }
}
