import type { Portal } from "./portal.js";
import type { Call, CallOptions, Transport } from "./transport.js";
import type { Answer, Attribution, BillingLink, Introspection, PlatformUser, Profile } from "./types.js";

/** What is known of users: of the one who is logged in, and for a back-end with an API key of all. */
export class Users {
  readonly #transport: Transport;
  readonly #portal: Portal;

  constructor(transport: Transport, portal: Portal) {
    this.#transport = transport;
    this.#portal = portal;
  }

  /** Returns where the user came from. It never changes, so keep it as long as you like. */
  attribution(options?: CallOptions): Promise<Attribution> {
    return this.#portal.authorized({ ...options, path: "/api/v1/users/attribution" });
  }

  /** Returns the user together with where they came from. */
  profile(options?: CallOptions): Promise<Profile> {
    return this.#portal.authorized({ ...options, path: "/api/v1/users/profile" });
  }

  #withKey<T>(call: Call): Promise<T> {
    return this.#transport.call({ ...call, portal: true, bearer: this.#transport.apiKey });
  }

  /** Returns any user. The API key needs `users:read`. */
  get(id: string, options?: CallOptions): Promise<PlatformUser> {
    return this.#withKey({ ...options, path: `/api/v1/users/${encodeURIComponent(id)}` });
  }

  /** Returns where any user came from. The API key needs `attribution:read`. */
  attributionOf(id: string, options?: CallOptions): Promise<Attribution> {
    return this.#withKey({ ...options, path: `/api/v1/users/${encodeURIComponent(id)}/attribution` });
  }

  /** Returns where up to 100 users came from, by their ids; null for an id of nobody. The API key needs `attribution:read`. */
  async attributionsOf(ids: readonly string[], options?: CallOptions): Promise<Map<string, Attribution | null>> {
    const call = { ...options, method: "POST", path: "/api/v1/users/attribution/batch", body: { ids }, repeatable: true } as const;
    const { items } = await this.#withKey<Answer<"BatchAnswer">>(call);
    return new Map(items.map(({ userId, attribution }) => [userId, attribution]));
  }

  /** Links a user to a customer of the billing system; an empty text ends that. The API key needs `billing:write`. */
  setBillingCustomer(
    id: string,
    billingCustomerId: string,
    options?: CallOptions,
  ): Promise<BillingLink> {
    const path = `/api/v1/users/${encodeURIComponent(id)}/billing-customer`;
    return this.#withKey({ ...options, method: "PUT", path, body: { billingCustomerId } });
  }

  /** Returns whether an access token counts, and whose it is. The API key needs `users:read`. */
  introspect(token: string, options?: CallOptions): Promise<Introspection> {
    const call = { ...options, method: "POST", path: "/v1/auth/introspect", form: { token }, repeatable: true, asIs: true } as const;
    return this.#transport.call({ ...call, bearer: this.#transport.apiKey });
  }
}
