import { Auth } from "./auth.js";
import type { CookieJar } from "./jar.js";
import { Portal } from "./portal.js";
import { Creators, Referrals } from "./referrals.js";
import { type ClientOptions, Transport } from "./transport.js";
import { Users } from "./users.js";

/** A client of one whence, for one person: outside of browsers it keeps that person's cookies. */
export class WhenceClient {
  readonly auth: Auth;
  readonly referrals: Referrals;
  readonly creators: Creators;
  readonly users: Users;
  readonly portal: Portal;
  /** Where whence is. */
  readonly baseUrl: string;
  /** The cookies; none in a browser, which keeps its own. */
  readonly cookies: CookieJar | undefined;

  constructor(options: ClientOptions = {}) {
    const transport = new Transport(options);
    this.baseUrl = transport.baseUrl;
    this.cookies = transport.jar;
    this.portal = new Portal(transport);
    this.auth = new Auth(transport);
    this.referrals = new Referrals(transport);
    this.creators = new Creators(transport);
    this.users = new Users(transport, this.portal);
  }
}
